use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use records::{LeftOut, Record, Store, bits, distinct};
use report::{Column, Document, Table};
use serde::Serialize;

use crate::{
    interrupt::Interrupted,
    machine,
    misuse::Misuse,
    output::{note, print_document, print_json},
    plan::Plan,
    recorded::Recorded,
    results::SuiteResults,
    run::Run,
    sweep::{Sweep, SweepOptions},
};

/// The number of digits of a hash that the table shows.
const SHOWN_DIGITS: usize = 8;

/// The options of `verify`.
#[derive(Debug)]
pub struct VerifyOptions {
    /// The folder of a suite's results.
    pub dir: PathBuf,
    /// The number of runs to train again; all of them if `None`.
    pub runs: Option<usize>,
    /// The folder of the data sets' files.
    pub data_dir: Option<PathBuf>,
    pub threads: usize,
    pub json: bool,
}

/// A run that was trained again, and what the record says of it.
#[derive(Debug, Serialize)]
struct Verified {
    dataset: String,
    model: String,
    head: String,
    input: String,
    train_size: usize,
    setting: Option<String>,
    seed: u64,
    config_hash: String,
    recorded_weights_sha256: String,
    weights_sha256: String,
    /// The number of test images that are correct in only one of the record and the new run; `None` if they do not have
    /// the same number of test images.
    differing_test_images: Option<usize>,
    equal: bool,
}

/// All that `verify --json` prints.
#[derive(Debug, Serialize)]
struct Verification {
    /// The differences between the makers of the records and this program, a sentence each; none if the bits should be equal.
    environment: Vec<String>,
    runs: Vec<Verified>,
}

/// Trains recorded runs again and compares the bits of their weights and the test images that they classify correctly.
pub fn verify(options: &VerifyOptions) -> Result<()> {
    let dir = &options.dir;
    let none = || {
        Misuse::new(format!(
            "{} has no records in runs/*.json; name the folder of a suite's results, such as results/heads",
            dir.display()
        ))
    };
    if !dir.join("runs").is_dir() {
        return Err(none().into());
    }
    let SuiteResults { records, left_out, .. } = SuiteResults::read(&[dir])?.ok_or_else(none)?;
    let unreadable: Vec<_> = left_out.iter().filter(|what| matches!(what, LeftOut::Unreadable { .. })).collect();
    unreadable.iter().for_each(|what| note(&report::left_out(what)));
    let chosen = spread(&records, options.runs.unwrap_or(records.len()));
    let environment = distinct(chosen.iter().flat_map(|record| differences(record)));
    if !options.json {
        environment.iter().for_each(|difference| note(difference));
    }
    let mut recorded = Recorded::new(options.data_dir.as_deref());
    let runs = chosen.iter().map(|record| recorded.run(&record.config)).collect::<Result<Vec<Run>>>()?;
    let again = train(runs, &chosen, options)?;
    let runs: Vec<Verified> = chosen.iter().zip(&again).map(|(record, again)| compare(record, again)).collect();
    let (count, differing) = (runs.len(), runs.iter().filter(|run| !run.equal).count());
    if options.json {
        print_json(&Verification { environment, runs })?;
    } else {
        print_document(&page(&runs))?;
    }
    ensure!(differing == 0, "{differing} of {count} runs differ from their records");
    ensure!(unreadable.is_empty(), "{} of the files in runs/ are no records that can be verified", unreadable.len());
    Ok(())
}

/// Chooses `count` records, spread over the variants and their seeds.
fn spread(records: &[Record], count: usize) -> Vec<&Record> {
    let mut variants: Vec<Vec<&Record>> = Vec::new();
    for record in records {
        match variants.iter_mut().find(|variant| variant[0].config_hash == record.config_hash) {
            Some(variant) => variant.push(record),
            None => variants.push(vec![record]),
        }
    }
    let mut chosen = Vec::new();
    while chosen.len() < count && !variants.is_empty() {
        let (available, wanted) = (variants.len(), (count - chosen.len()).min(variants.len()));
        for i in 0..wanted {
            let variant = &mut variants[i * available / wanted];
            // Each variant gives another of its seeds.
            chosen.push(variant.remove(i % variant.len()));
        }
        variants.retain(|variant| !variant.is_empty());
    }
    chosen
}

/// Says what may make this program's bits differ from those of a record.
fn differences(record: &Record) -> Vec<String> {
    let mut differences = Vec::new();
    let (theirs, ours) = (&record.cpu.instruction_set, machine::cpu().instruction_set);
    if record.config.device == "cpu" && *theirs != ours {
        differences.push(format!(
            "the records were made with the instruction set {theirs}, but {ours} is in use, whose last bits differ: set the \
             environment variable OPS_ISA={theirs}, if this CPU supports it"
        ));
    }
    let (theirs, ours) = (&record.versions, machine::versions());
    if *theirs != ours {
        differences.push(format!("the records were made by {theirs}, but this is {ours}"));
    }
    differences
}

/// Trains the runs in a temporary folder and returns their records, in the same order.
fn train(runs: Vec<Run>, recorded: &[&Record], options: &VerifyOptions) -> Result<Vec<Record>> {
    let folder = tempfile::tempdir().context("cannot create a temporary folder")?;
    let store = Store::new(folder.path().into());
    let plan = Plan { runs };
    let sweep = SweepOptions { threads: options.threads, quiet: options.json, ..SweepOptions::default() };
    let none = || format!("{} has no records that can be verified", options.dir.display());
    let info = recorded.first().with_context(none)?.suite.clone();
    Sweep::begin(&plan, &store, &info, &sweep)?.train().map_err(|error| match error.is::<Interrupted>() {
        true => Interrupted("interrupted before the runs were compared".into()).into(),
        false => error,
    })?;
    let found = plan.runs.iter().map(|run| store.find(&run.config()).with_context(|| format!("{run}: no record")));
    found.collect()
}

fn compare(recorded: &Record, again: &Record) -> Verified {
    let config = recorded.config.clone();
    let hits = |record: &Record| bits(&record.test_hits, 4 * record.test_hits.len());
    let differing_test_images = match (hits(recorded), hits(again)) {
        (Some(old), Some(new)) if old.len() == new.len() => {
            Some(old.iter().zip(&new).filter(|(old, new)| old != new).count())
        }
        _ => None,
    };
    Verified {
        dataset: config.dataset,
        model: config.model,
        head: config.head,
        input: config.input,
        train_size: config.train_size,
        setting: config.setting,
        seed: config.seed,
        config_hash: recorded.config_hash.clone(),
        recorded_weights_sha256: recorded.weights_sha256.clone(),
        weights_sha256: again.weights_sha256.clone(),
        differing_test_images,
        equal: recorded.weights_sha256 == again.weights_sha256 && recorded.test_hits == again.test_hits,
    }
}

fn page(runs: &[Verified]) -> Document {
    let mut table = Table::new([
        Column::key("run"),
        Column::text("weights: recorded → here"),
        Column::number("test images that differ"),
        Column::verdict("result"),
    ]);
    let differing = factors(runs);
    for run in runs {
        let mut title = format!("{} {}", run.model, run.head);
        differing.iter().map(|factor| factor(run)).for_each(|factor| title += &format!(", {factor}"));
        table.push([
            format!("{title}, seed {}", run.seed),
            format!("{} → {}", shortened(&run.recorded_weights_sha256), shortened(&run.weights_sha256)),
            run.differing_test_images.map_or("all".into(), |count| count.to_string()),
            if run.equal { "equal" } else { "differs" }.into(),
        ]);
    }
    table.into()
}

/// The properties besides model, head and seed in which the runs differ.
fn factors(runs: &[Verified]) -> Vec<fn(&Verified) -> String> {
    let properties: [fn(&Verified) -> String; 4] = [
        |run| run.dataset.clone(),
        |run| run.input.clone(),
        |run| format!("{} images", run.train_size),
        |run| run.setting.clone().unwrap_or_default(),
    ];
    properties.into_iter().filter(|of| runs.iter().any(|run| of(run) != of(&runs[0]))).collect()
}

fn shortened(hash: &str) -> String {
    hash.chars().take(SHOWN_DIGITS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use records::samples::record;

    #[test]
    fn the_chosen_runs_are_spread_over_variants_and_seeds() {
        let heads = ["fc", "gap", "gmp", "gem-fc"];
        let records: Vec<Record> =
            heads.iter().flat_map(|head| (0..3).map(|seed| record(head, 0, seed, 0.9))).collect();
        let chosen = |count| -> Vec<(String, u64)> {
            spread(&records, count).iter().map(|record| (record.config.head.clone(), record.config.seed)).collect()
        };
        assert_eq!(chosen(2), [("fc".into(), 0), ("gmp".into(), 1)]);
        assert_eq!(chosen(4).iter().map(|(head, _)| head.as_str()).collect::<Vec<_>>(), heads);
        let mut all = chosen(usize::MAX);
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 12);
        assert_eq!(chosen(0), []);
    }
}
