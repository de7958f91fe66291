//! The table of architectures in the README.

mod common;

use common::build;
use report::number::{count, shape};

#[test]
fn the_readme_has_the_counts_of_every_model() {
    for architecture in models::list() {
        let (net, config, _) = build(architecture.name, |config| config);
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
        let name = format!("| `{}` |", architecture.name);
        let row = include_str!("../README.md").lines().find(|line| line.starts_with(&name)).unwrap_or_default();
        assert!(row.ends_with(&counts), "{name} … {counts} is not in the README, which has {row}");
    }
}
