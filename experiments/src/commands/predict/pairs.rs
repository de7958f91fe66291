//! What a trained network says of protein–drug pairs: the probability that the drug binds, and the windows of residues that
//! matter most.

use std::{ops::Range, path::Path};

use anyhow::{Context, Result};
use candle_core::Device;
use datasets::{Drug, Interaction, Order, PairOptions, PairSplit, Pairs, Protein, printable};
use models::{TrainedDeepConvDti, WindowEvidence};
use records::read_text;
use report::{Cell, Column, Table};
use serde_json::{Value, json};

use super::{PairInput, PredictFormat, PredictOptions};
use crate::{
    limits::MAX_TEXT_BYTES,
    misuse::Misuse,
    output::{print, print_document, print_json},
    pair_data::with_option,
    zoo,
};

/// The number of pairs that are predicted at a time.
const BATCH: usize = 16;

/// A pair and what the network says of it.
struct PredictedPair {
    protein: String,
    drug: String,
    probability: f32,
    /// True if the drug binds the protein according to a file of labels; `None` without such a file.
    binds: Option<bool>,
    windows: Vec<Window>,
}

/// A window of residues. Positions are counted from 1, as in databases of proteins.
struct Window {
    residues: Range<usize>,
    sequence: String,
    evidence: f32,
}

/// Prints the probability of each pair and its most important windows.
pub fn predict_pairs(input: &PairInput, options: &PredictOptions) -> Result<()> {
    let path = zoo::find(&options.weights)?;
    let trained = TrainedDeepConvDti::load(&path).map_err(Misuse::from)?;
    let pairs = match input {
        PairInput::One { protein, fingerprint } => one_pair(protein, fingerprint)?,
        PairInput::Folder { folder, skip_unknown } => {
            let options = PairOptions::default().skip_unknown(*skip_unknown);
            Pairs::load(folder, PairSplit::Test, &options).map_err(with_option)?
        }
    };
    let (bits, expected) = (pairs.fingerprint_bits(), trained.info.config.fingerprint_bits);
    if bits != expected {
        let message = format!("the fingerprint has {bits} bits, but {} takes {expected}", options.weights);
        return Err(Misuse::new(message).into());
    }
    let is_known = matches!(input, PairInput::Folder { .. });
    let mut predicted = Vec::with_capacity(pairs.len());
    for batch in pairs.batches(BATCH, Order::Sequential, trained.info.config.length, &Device::Cpu) {
        let ([proteins, drugs], _) = batch?;
        let evidence = trained.network.evidence(&proteins, &drugs)?;
        for (probability, evidence) in trained.predict(&proteins, &drugs)?.into_iter().zip(evidence) {
            let index = predicted.len();
            let (protein, drug) = (pairs.protein(index), pairs.drug(index));
            predicted.push(PredictedPair {
                protein: protein.id.clone(),
                drug: drug.id.clone(),
                probability,
                binds: is_known.then_some(pairs.interactions[index].binds),
                windows: top_windows(protein, evidence, trained.info.config.length, options.top),
            });
        }
    }
    match options.format {
        PredictFormat::Json => print_json(&predicted.iter().map(as_json).collect::<Vec<_>>()),
        PredictFormat::Csv => print(&as_csv(&predicted)?),
        PredictFormat::Text => print_document(&as_table(&predicted, options.top).into()),
    }
}

/// The pair of a protein and a fingerprint, each given as text or as the path of a file that holds it.
fn one_pair(protein: &str, fingerprint: &str) -> Result<Pairs> {
    let protein = Protein::new("protein", &text_or_file(protein)?).map_err(Misuse::from).context("--protein")?;
    let bits = text_or_file(fingerprint)?;
    let separated: Vec<String> = match bits.contains([',', '\t', ' ']) {
        true => bits.split([',', '\t', ' ']).filter(|bit| !bit.is_empty()).map(String::from).collect(),
        false => bits.chars().map(String::from).collect(),
    };
    let drug = Drug::new("drug", &separated.join("\t")).map_err(Misuse::from).context("--fingerprint")?;
    let interactions = vec![Interaction { protein: 0, drug: 0, binds: false }];
    Ok(Pairs { proteins: [protein].into(), drugs: [drug].into(), interactions, left_out: 0 })
}

/// The text itself, or that of the file of this name, without the white space around it.
fn text_or_file(text: &str) -> Result<String> {
    let path = Path::new(text);
    Ok(if path.is_file() { read_text(path, MAX_TEXT_BYTES)? } else { text.into() }.trim().into())
}

/// The windows whose evidence is largest in absolute value, with their places in the protein.
fn top_windows(protein: &Protein, mut evidence: Vec<WindowEvidence>, length: usize, top: usize) -> Vec<Window> {
    evidence.sort_by(|a, b| b.evidence.abs().total_cmp(&a.evidence.abs()));
    let sequence = protein.sequence();
    // Position `at` of the padded sequence is residue `at + residues − length`.
    let residue = |at: usize| (at + protein.residues.len()).saturating_sub(length);
    let window = |WindowEvidence { positions, evidence, .. }: WindowEvidence| {
        let residues = residue(positions.start)..residue(positions.end);
        Window { sequence: sequence[residues.clone()].into(), residues: residues.start + 1..residues.end, evidence }
    };
    evidence.into_iter().map(window).filter(|window| !window.sequence.is_empty()).take(top).collect()
}

fn as_json(pair: &PredictedPair) -> Value {
    let window = |Window { residues, sequence, evidence }: &Window| json!({ "first": residues.start, "last": residues.end, "residues": sequence, "evidence": evidence });
    let mut value = json!({
        "protein": pair.protein,
        "compound": pair.drug,
        "probability": pair.probability,
        "windows": pair.windows.iter().map(window).collect::<Vec<_>>(),
    });
    if let Some(binds) = pair.binds {
        value["binds"] = binds.into();
    }
    value
}

fn as_csv(predicted: &[PredictedPair]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["protein", "compound", "probability", "rank", "first", "last", "residues", "evidence"])?;
    for PredictedPair { protein, drug, probability, windows, .. } in predicted {
        for (rank, Window { residues, sequence, evidence }) in windows.iter().enumerate() {
            let [rank, first, last] = [rank + 1, residues.start, residues.end].map(|number| number.to_string());
            let [probability, evidence] = [probability, evidence].map(f32::to_string);
            writer.write_record([protein, drug, &probability, &rank, &first, &last, sequence, &evidence])?;
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// One row per pair.
fn as_table(predicted: &[PredictedPair], top: usize) -> Table {
    let is_known = predicted.iter().any(|pair| pair.binds.is_some());
    let mut columns = vec![Column::key("protein"), Column::key("compound"), Column::number("probability (%)")];
    columns.extend(is_known.then(|| Column::text("label")));
    columns.push(Column::text(format!("residues with the most evidence (of {top})")));
    let mut table = Table::new(columns);
    for pair in predicted {
        let percent = 100. * f64::from(pair.probability);
        let mut cells = vec![
            Cell::from(printable(&pair.protein)),
            Cell::from(printable(&pair.drug)),
            Cell::number(format!("{percent:.1}"), percent),
        ];
        cells.extend(pair.binds.map(|binds| Cell::from(if binds { "binds" } else { "does not bind" })));
        let window = |Window { residues, evidence, .. }: &Window| {
            format!("{}–{} ({evidence:+.2})", residues.start, residues.end)
        };
        cells.push(Cell::from(pair.windows.iter().map(window).collect::<Vec<_>>().join(", ")));
        table.push(cells);
    }
    table
}
