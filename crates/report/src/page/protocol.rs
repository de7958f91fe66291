//! How the runs of a suite were made: protocol, learning rates, machine, versions, time and command.

use records::{Record, Row, RunConfig, distinct};

use super::factors::varying;
use crate::{
    document::{Block, Cell, Column, Document, Table},
    number::{fixed, whole},
};

/// Appends a table of the peak learning rates, with a column per head and a row per data set, model and other factors.
pub fn learning_rates(page: &mut Document, rows: &[Row]) {
    let factors = varying(rows);
    let names = |row: &Row| -> Vec<String> {
        [row.dataset.clone(), row.model.clone()]
            .into_iter()
            .chain(factors.iter().map(|factor| (factor.of)(row)))
            .collect()
    };
    let heads = distinct(rows.iter().map(|row| row.head.as_str()));
    let titles = ["data set", "model"].into_iter().chain(factors.iter().map(|factor| factor.title));
    let heads_columns = heads.iter().map(|head| Column::number(*head));
    let mut table = Table::new(titles.map(Column::key).chain(heads_columns));
    for line in distinct(rows.iter().map(names)) {
        let rate = |head: &&str| {
            let row = rows.iter().find(|row| row.head == *head && names(row) == line);
            row.map_or_else(Cell::default, |row| Cell::number(row.lr.to_string(), row.lr))
        };
        let rates: Vec<Cell> = heads.iter().map(rate).collect();
        table.push(line.into_iter().map(Cell::from).chain(rates));
    }
    page.heading(1, "Peak learning rates");
    page.table(table);
}

/// Appends how the runs were trained, once for each data set and protocol.
pub fn protocol(page: &mut Document, records: &[Record], is_trained: bool) {
    let has_several = records.iter().any(|record| record.config.dataset != records[0].config.dataset);
    // Everything but the number of training images, which is listed.
    let described = |config: &RunConfig| {
        let RunConfig { augment, dataset, canvas, validation, updates, epochs, init, freeze, .. } = config;
        let RunConfig { batch_size, optimizer, schedule, .. } = config;
        let samples = config.samples();
        let name = if has_several { format!("{dataset}: ") } else { String::new() };
        let canvas = canvas.as_ref().map(|canvas| format!(", {canvas}")).unwrap_or_default();
        if !is_trained {
            return (name, format!("{samples}{canvas}; nothing is trained"));
        }
        let held_out = match validation {
            0 => "nothing was held out".into(),
            count => format!("{count} more held out for validation, the same for all seeds"),
        };
        let length = match (updates, epochs) {
            (Some(updates), _) => format!("updates: {updates}"),
            (None, epochs) => format!("epochs: {}", epochs.unwrap_or_default()),
        };
        let augmented = augment.as_ref().map(|augment| format!(", augmented by {augment}")).unwrap_or_default();
        let training = format!("{length}, batch size: {batch_size}, {optimizer}, learning rate {schedule}{augmented}");
        let frozen = if *freeze { ", whose backbone was not trained" } else { "" };
        let started = init.as_ref().map(|hash| format!(", starting from the weights of file {hash}{frozen}"));
        let training = training + &started.unwrap_or_default();
        (name, format!("training {samples}{canvas} ({held_out}), {training}"))
    };
    let protocols = distinct(records.iter().map(|record| described(&record.config)));
    let items = protocols.iter().map(|protocol| {
        let same = records.iter().filter(|record| described(&record.config) == *protocol);
        let sizes = distinct(same.map(|record| record.config.train_size.to_string())).join(", ");
        format!("{}{sizes} {}.", protocol.0, protocol.1)
    });
    let fairness = is_trained.then(|| {
        let samples = records[0].config.samples();
        let standardised = match samples {
            "images" => " Inputs are standardised with the statistics of the training images.",
            _ => "",
        };
        format!(
            "With the same seed, all variants see the {samples} in the same order, take the same number of updates, and start \
             from the same weights wherever a parameter has the same name.{standardised} The test set is read once, after the \
             last epoch."
        )
    });
    page.heading(1, "Protocol");
    page.list(items.chain(fairness));
}

/// Appends the machines, versions, time and commands of the runs.
pub fn made_with(page: &mut Document, records: &[Record]) {
    let machine = |record: &Record| {
        let caches = record.cpu.cache_kib.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        format!("{} ({}, data caches {caches} KiB)", record.cpu.model, record.cpu.instruction_set)
    };
    let speed = |record: &Record| {
        let Some(speed) = &record.speed else { return "speeds not measured for all".into() };
        let (train, infer) = (speed.train_batch_size, speed.infer_batch_size);
        format!(
            "speeds measured with {} threads, batches of {train} in training and {infer} in inference",
            speed.threads
        )
    };
    let versions = |record: &Record| record.versions.to_string();
    let texts = |of: &dyn Fn(&Record) -> String| distinct(records.iter().map(of));
    page.heading(1, "Made with");
    page.list([texts(&machine), texts(&speed), texts(&versions), training_time(records)].concat());
    let commands = texts(&|record| record.suite.command.clone()).join("\n");
    page.blocks.push(Block::Code { language: "sh", text: commands });
}

/// How long the runs trained; nothing if none did.
fn training_time(records: &[Record]) -> Vec<String> {
    let seconds: f64 = records.iter().map(|record| record.timings.train_seconds).sum();
    let threads = distinct(records.iter().map(|record| record.threads.to_string())).join(" or ");
    let time = match seconds {
        0. => return Vec::new(),
        ..90. => format!("{} seconds", whole(seconds)),
        ..5400. => format!("{} minutes", whole(seconds / 60.)),
        _ => format!("{} hours", fixed(seconds / 3600., 1)),
    };
    vec![format!("{} runs trained for {time} in total, on {threads} threads each", records.len())]
}
