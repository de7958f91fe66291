//! The table of architectures in the README.

mod common;

use common::build;
use report::number::{count, shape};

#[test]
fn the_counts_in_the_readme_are_those_of_the_models() {
    let rows = include_str!("../README.md").lines().filter_map(|line| {
        let (name, _) = line.strip_prefix("| `")?.split_once("` |")?;
        models::find(name).ok().map(|architecture| (architecture.name, line))
    });
    let rows: Vec<(&str, &str)> = rows.collect();
    assert!(rows.len() >= 15, "the README has a row for each of {rows:?} only");
    for (name, row) in rows {
        let (net, config, _) = build(name, |config| config);
        let summary = models::summary(&net, &config.input).unwrap();
        let seen = summary.receptive_field.unwrap();
        let counts = format!(
            "| {} | `{}` | {} | {} | {} |",
            shape(&config.input),
            config.head,
            count(summary.trainable_params as u64),
            count(summary.macs),
            shape(&seen),
        );
        assert!(row.ends_with(&counts), "{name} has {counts}; the README says {row}");
    }
}
