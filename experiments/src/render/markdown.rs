use super::{
    by_model,
    columns::{columns, is_trained, varying},
    measures::measures,
};
use crate::{aggregate::Row, distinct::distinct, record::Record};

/// What others make for the page of a suite.
#[derive(Default)]
pub struct Parts {
    /// A line each.
    pub plots: Vec<String>,
    /// A piece each.
    pub maps: Vec<String>,
    /// Sections, or nothing.
    pub comparisons: String,
}

/// The page of a suite's folder.
pub fn markdown(records: &[Record], rows: &[Row], left_out: &[String], parts: &Parts) -> String {
    let Some(first) = records.first() else { return String::new() };
    let mut page = format!("# {}\n\n{}\n\n", first.suite.name, first.suite.question);

    let columns = columns(rows);
    let titles: Vec<String> = columns.iter().map(|column| column.title.to_string()).collect();
    let texts = columns.iter().take_while(|column| column.is_text).count();
    for (title, rows) in by_model(rows) {
        let cells = rows.iter().map(|row| columns.iter().map(|column| (column.cell)(row)).collect());
        page += &format!("## {title}\n\n{}\n", table(&titles, texts, cells));
    }
    page += if is_trained(rows) {
        "Accuracies are mean ± standard deviation over seeds; below ten seeds they describe and prove nothing. The gap is \
         training less test accuracy."
    } else {
        "Activations are the outputs of all layers for one image, as 32-bit numbers: what a training step holds."
    };
    page += " Speeds are medians ± interquartile range over rounds in which the variants took turns. MACs are \
             multiply-accumulates for one image.\n\n";
    page += &measures(rows);
    if !parts.plots.is_empty() {
        page += &format!("## Plots\n\n{}\n\n", parts.plots.join("\n\n"));
    }
    if !parts.maps.is_empty() {
        page += &format!("## Where the networks look\n\n{}\n\n", parts.maps.join("\n\n"));
    }
    page += &parts.comparisons;
    page += &notes(rows, left_out);
    if is_trained(rows) {
        page += &rates(rows);
    }
    page + &protocol(records, is_trained(rows)) + &made_with(records)
}

/// The first `texts` columns stand left, the others right.
pub fn table(titles: &[String], texts: usize, lines: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule = format!("|{}{}\n", " --- |".repeat(texts), " ---: |".repeat(titles.len() - texts));
    line(titles) + &rule + &lines.map(|cells| line(&cells)).collect::<String>()
}

fn notes(rows: &[Row], left_out: &[String]) -> String {
    let factors = varying(rows);
    let name = |row: &Row| {
        let more: String = factors.iter().map(|factor| format!(" {}", (factor.of)(row))).collect();
        format!("{} {}{more}", row.model, row.head)
    };
    let rising: Vec<String> = rows.iter().filter(|row| row.rising).map(name).collect();
    let mut notes = Vec::new();
    if !rising.is_empty() {
        notes.push(format!(
            "↗ Validation accuracy was still rising at the end (between the last two points of its curve by more than one \
             standard error of the validation split): {}. More epochs may help them.",
            rising.join(", ")
        ));
    }
    notes.extend(left_out.iter().map(|what| format!("Left out — {what}.")));
    if notes.is_empty() { String::new() } else { format!("## Notes\n\n- {}\n\n", notes.join("\n- ")) }
}

/// A line for all that shares everything but the head.
fn rates(rows: &[Row]) -> String {
    let factors = varying(rows);
    let names = |row: &Row| {
        let mut names = vec![row.dataset.clone(), row.model.clone()];
        names.extend(factors.iter().map(|factor| (factor.of)(row)));
        names
    };
    let (mut heads, mut lines) = (Vec::<&str>::new(), Vec::<(Vec<String>, Vec<&Row>)>::new());
    for row in rows {
        if !heads.contains(&row.head.as_str()) {
            heads.push(&row.head);
        }
        match lines.iter_mut().find(|(other, _)| *other == names(row)) {
            Some((_, of_line)) => of_line.push(row),
            None => lines.push((names(row), vec![row])),
        }
    }
    let mut titles = vec!["data".to_string(), "model".to_string()];
    titles.extend(factors.iter().map(|factor| factor.title.to_string()));
    let texts = titles.len();
    titles.extend(heads.iter().map(|head| head.to_string()));
    let cells = lines.into_iter().map(|(mut cells, of_line)| {
        let rate = |head: &&str| of_line.iter().find(|row| row.head == *head).map(|row| row.lr.to_string());
        cells.extend(heads.iter().map(|head| rate(head).unwrap_or_default()));
        cells
    });
    format!("## Peak learning rates\n\n{}\n", table(&titles, texts, cells))
}

fn protocol(records: &[Record], trained: bool) -> String {
    let several = records.iter().any(|record| record.text("dataset") != records[0].text("dataset"));
    // All but the number of images, which is listed.
    let of = |record: &Record| {
        let held_out = match record.number("validation") {
            0. => "nothing was held out".into(),
            images => format!("{images} more held out for validation, the same for all seeds"),
        };
        let name = if several { format!("{}: ", record.text("dataset")) } else { String::new() };
        let canvas = match record.text("canvas") {
            "" => String::new(),
            canvas => format!(", {canvas}"),
        };
        if !trained {
            return (name, format!("images{canvas}; nothing is trained"));
        }
        let length = match record.number("updates") {
            0. => format!("epochs: {}", record.number("epochs")),
            updates => format!("updates: {updates}"),
        };
        let rest = format!(
            "training images{canvas} ({held_out}), {length}, batch size: {}, {}, learning rate {}",
            record.number("batch_size"),
            record.text("optimizer"),
            record.text("schedule"),
        );
        (name, rest)
    };
    let mut page = String::from("## Protocol\n\n");
    for protocol in distinct(records.iter().map(of)) {
        let same = records.iter().filter(|record| of(record) == protocol);
        let sizes = distinct(same.map(|record| record.number("train_size").to_string())).join(", ");
        page += &format!("- {}{sizes} {}.\n", protocol.0, protocol.1);
    }
    if trained {
        page += "- For one seed all variants have the same order of images, number of updates and, name by name, initial \
                 weights; inputs are standardised with the statistics of the images trained on. The test set is read \
                 once, after the last epoch.\n";
    }
    page
}

fn made_with(records: &[Record]) -> String {
    let mut page = String::from("\n## Made with\n\n");
    let machine = |record: &Record| {
        let caches = record.cpu.cache_kib.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        format!("{} ({}, data caches {caches} KiB)", record.cpu.model, record.cpu.instruction_set)
    };
    let speed = |record: &Record| {
        let Some(speed) = &record.speed else { return "speed not measured for all".into() };
        let (train, infer) = (speed.train_batch_size, speed.infer_batch_size);
        format!("speed with {} threads, batches of {train} in training and {infer} in inference", speed.threads)
    };
    let versions = |record: &Record| {
        let versions = &record.versions;
        format!("experiments {}, candle {}, gemm {}", versions.experiments, versions.candle, versions.gemm)
    };
    let texts = |of: &dyn Fn(&Record) -> String| distinct(records.iter().map(of));
    for lines in [texts(&machine), texts(&speed), texts(&versions)] {
        lines.iter().for_each(|line| page += &format!("- {line}\n"));
    }
    page += "\n```sh\n";
    texts(&|record| record.suite.command.clone()).iter().for_each(|command| page += &format!("{command}\n"));
    page + "```\n"
}
