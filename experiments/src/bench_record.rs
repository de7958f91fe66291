//! A comparison with other programs, as `bench --out` writes it, and its page.

use std::path::Path;

use anyhow::{Context, Result};
use records::{Cpu, Measured, create_folder, read_input, write_file};
use report::{Document, Table, bench as page, number};
use serde::{Deserialize, Serialize};
use timing::{LATENCY_BATCH, Measurement, Request, Task};

use crate::{files::save_page, limits::MAX_TEXT_BYTES};

/// The file of a comparison in its folder.
const FILE: &str = "bench.json";

/// A comparison with other programs, as it is kept in a folder of results.
#[derive(Debug, Serialize, Deserialize)]
pub struct BenchRecord {
    pub cpu: Cpu,
    /// The version of this program.
    pub experiments: String,
    /// The names and versions of the other programs.
    pub peers: Vec<String>,
    pub measurements: Vec<Measurement>,
}

impl BenchRecord {
    /// Returns whether a folder contains a comparison.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(FILE).is_file()
    }

    /// Reads the comparison in a folder.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let text = read_input(&path, MAX_TEXT_BYTES)?;
        serde_json::from_slice(&text).with_context(|| path.display().to_string())
    }

    /// Writes the comparison and its page into a folder.
    pub fn save(&self, folder: &Path) -> Result<()> {
        create_folder(folder)?;
        // As a `Value`, its keys are sorted.
        let json = serde_json::to_string_pretty(&serde_json::to_value(self)?)?;
        write_file(&folder.join(FILE), json + "\n")?;
        self.save_page(folder)
    }

    /// Writes the page of the comparison into a folder.
    pub fn save_page(&self, folder: &Path) -> Result<()> {
        save_page(folder, &self.page())
    }

    /// Builds the table of the comparison.
    pub fn table(&self) -> Table {
        page::comparison_table(&self.rows(), &self.peers)
    }

    fn page(&self) -> Document {
        let first = self.measurements.first();
        let conditions = page::Conditions {
            cpu: format!("{} ({})", self.cpu.model, self.cpu.instruction_set),
            threads: first.map_or(0, |measurement| measurement.request.threads),
            rounds: first.map_or(0, |measurement| measurement.here.len()),
            version: self.experiments.clone(),
        };
        page::comparison_page(&self.rows(), &self.peers, &conditions)
    }

    fn rows(&self) -> Vec<page::ComparedSpeed> {
        self.measurements.iter().map(compared).collect()
    }
}

/// The row of a measurement.
fn compared(measurement: &Measurement) -> page::ComparedSpeed {
    let Request { model, head, input, batch, task, .. } = &measurement.request;
    page::ComparedSpeed {
        network: format!("{model} {head} {}", number::extent(input)),
        task: match task {
            Task::Train => page::BenchTask::Training(*batch),
            Task::Infer if *batch == LATENCY_BATCH => page::BenchTask::Latency,
            Task::Infer => page::BenchTask::Inference(*batch),
        },
        samples_per_sec: measurement.samples_per_sec(),
        gflops: measurement.gflops(),
        efficiency: measurement.efficiency(),
        one_thread: ratio(&measurement.here, &measurement.one_thread),
        peers: measurement.peers.iter().map(|peer| ratio(&measurement.here, peer)).collect(),
    }
}

/// The ratios of both speeds in each round; `None` without values.
fn ratio(here: &[f64], there: &[f64]) -> Option<page::Ratio> {
    let mut ratios: Vec<f64> = here.iter().zip(there).map(|(here, there)| here / there).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    let (least, most) = (*ratios.first()?, *ratios.last()?);
    Some(page::Ratio { median: Measured::of(ratios).median, least, most })
}
