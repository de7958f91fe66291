use super::{COLUMNS, by_model, cells};
use crate::{
    aggregate::{Row, distinct},
    record::Record,
};

/// The page of a suite's folder.
pub fn markdown(records: &[Record], rows: &[Row], left_out: &[String]) -> String {
    let Some(first) = records.first() else { return String::new() };
    let mut page = format!("# {}\n\n{}\n\n", first.suite.name, first.suite.question);

    for (title, rows) in by_model(rows) {
        page += &format!("## {title}\n\n| {} |\n| --- |{}\n", COLUMNS.join(" | "), " ---: |".repeat(COLUMNS.len() - 1));
        rows.iter().for_each(|row| page += &format!("| {} |\n", cells(row).join(" | ")));
        page += "\n";
    }

    page += "Accuracies are mean ± standard deviation over seeds; below ten seeds they describe and prove nothing. The \
             gap is training less test accuracy. Speeds are medians ± interquartile range over rounds in which the \
             variants took turns. MACs are multiply-accumulates for one image.\n\n## Notes\n\n";
    let mut note = |text: String| page += &format!("- {text}\n");
    let rates: Vec<String> = by_model(rows)
        .map(|(_, rows)| {
            let rates: Vec<String> = rows.iter().map(|row| format!("{} {}", row.head, row.lr)).collect();
            format!("{}: {}", rows[0].model, rates.join(", "))
        })
        .collect();
    note(format!("Peak learning rates — {}.", rates.join("; ")));
    let names =
        |rows: Vec<&Row>| rows.iter().map(|row| format!("{} {}", row.model, row.head)).collect::<Vec<_>>().join(", ");
    let rising: Vec<&Row> = rows.iter().filter(|row| row.rising).collect();
    if !rising.is_empty() {
        let names = names(rising);
        note(format!(
            "↗ Validation accuracy was still rising at the end (in the last epoch by more than one standard error of the \
             validation split): {names}. More epochs may help them."
        ));
    }
    left_out.iter().for_each(|what| note(format!("Left out — {what}.")));

    let protocol = |record: &Record| {
        let held_out = match record.number("validation") {
            0. => "nothing was held out".into(),
            images => format!("{images} more held out for validation, the same for all seeds"),
        };
        format!(
            "{} training images ({held_out}), epochs: {}, batch size: {}, {}, learning rate {}",
            record.number("train_size"),
            record.number("epochs"),
            record.number("batch_size"),
            record.text("optimizer"),
            record.text("schedule"),
        )
    };
    page += "\n## Protocol\n\n";
    distinct(records, protocol).iter().for_each(|protocol| page += &format!("- {protocol}.\n"));
    page += "- For one seed all variants have the same order of images, number of updates and, name by name, initial \
             weights; inputs are standardised with the statistics of the images trained on. The test set is read once, \
             after the last epoch.\n";

    page += "\n## Made with\n\n";
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
    for lines in [distinct(records, machine), distinct(records, speed), distinct(records, versions)] {
        lines.iter().for_each(|line| page += &format!("- {line}\n"));
    }
    page += "\n```sh\n";
    distinct(records, |record| record.suite.command.clone()).iter().for_each(|command| page += &format!("{command}\n"));
    page + "```\n"
}
