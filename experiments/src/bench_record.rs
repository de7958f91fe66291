//! A run of `bench`, as `bench --out` writes it, and its page.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, bail};
use records::{Cpu, Measured, create_folder, read_input, write_file};
use report::{
    Document,
    bench::{self as page, Baseline},
};
use serde::{Deserialize, Serialize};
use timing::{Bound, LATENCY_BATCH, Measurement, Request, Scaling, Task};

use crate::{files::save_page, limits::MAX_TEXT_BYTES};

/// The file of a run in its folder.
const FILE: &str = "bench.json";

/// A run of `bench`, as it is kept in a folder of results.
#[derive(Debug, Serialize, Deserialize)]
pub struct BenchRecord {
    pub cpu: Cpu,
    /// The version of this program.
    pub experiments: String,
    /// The names and versions of the other programs.
    pub peers: Vec<String>,
    /// Why energy could not be measured; `None` if it was, and in files of earlier versions.
    #[serde(default)]
    pub no_energy: Option<String>,
    /// Three for each network: training, inference and latency.
    pub measurements: Vec<Measurement>,
}

impl BenchRecord {
    /// Returns whether a folder contains a run.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(FILE).is_file()
    }

    /// Reads the run in a folder.
    pub fn read(folder: &Path) -> Result<Self> {
        Self::read_file(&folder.join(FILE))
    }

    /// Reads a run from its file.
    ///
    /// # Errors
    /// A file that cannot be read, is no run of `bench`, or has measurements of other peers than it names.
    pub fn read_file(path: &Path) -> Result<Self> {
        let text = read_input(path, MAX_TEXT_BYTES)?;
        let record: Self = serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
        let named = record.peers.len();
        if let Some(other) = record.measurements.iter().find(|measurement| measurement.peers.len() != named) {
            let (Request { model, head, .. }, measured) = (&other.request, other.peers.len());
            let path = path.display();
            bail!("{path}: {model} {head} has the speeds of {measured} peers, but `peers` names {named}; measure again")
        }
        Ok(record)
    }

    /// Writes the run and its page into a folder.
    pub fn save(&self, folder: &Path) -> Result<()> {
        create_folder(folder)?;
        // As a `Value`, its keys are sorted.
        let json = serde_json::to_string_pretty(&serde_json::to_value(self)?)?;
        write_file(&folder.join(FILE), json + "\n")?;
        self.save_page(folder)
    }

    /// Writes the page of the run into a folder.
    pub fn save_page(&self, folder: &Path) -> Result<()> {
        save_page(folder, &page::comparison_page(&self.rows(), &self.conditions()))
    }

    /// Builds what a terminal shows.
    pub fn terminal_page(&self, baseline: Option<&Baseline>) -> Result<Document> {
        Ok(page::terminal_page(&self.speeds(baseline)?, &self.rows(), &self.conditions(), baseline))
    }

    /// The speed of each network.
    pub fn speeds(&self, baseline: Option<&Baseline>) -> Result<Vec<page::NetworkSpeed>> {
        let changes = baseline.map_or_else(|| vec![None; self.measurements.len()], |baseline| baseline.rows.clone());
        self.measurements.chunks(3).zip(changes.chunks(3)).map(|(network, changes)| speed(network, changes)).collect()
    }

    fn conditions(&self) -> page::Conditions {
        let first = self.measurements.first();
        page::Conditions {
            cpu: format!("{} ({})", self.cpu.model, self.cpu.instruction_set),
            threads: first.map_or(0, |measurement| measurement.request.threads),
            rounds: first.map_or(0, |measurement| measurement.here.len()),
            version: self.experiments.clone(),
            peers: self.peers.clone(),
            no_energy: self.no_energy.clone(),
        }
    }

    fn rows(&self) -> Vec<page::BenchRow> {
        self.measurements.iter().map(row).collect()
    }
}

/// The speed of a network from its three measurements.
fn speed(of_network: &[Measurement], changes: &[Option<page::BaselineRow>]) -> Result<page::NetworkSpeed> {
    let [train, infer, single] = of_network else { bail!("a network has three measurements") };
    let Request { model, head, input, batch, .. } = train.request.clone();
    let tasks = ["train", "infer", "latency"].into_iter().zip(of_network.iter().zip(changes));
    Ok(page::NetworkSpeed {
        model,
        head,
        input,
        train_samples_per_sec: train.samples_per_sec(),
        train_batch_size: batch,
        infer_samples_per_sec: infer.samples_per_sec(),
        infer_batch_size: infer.request.batch,
        latency_us: 1e6 / single.samples_per_sec(),
        latency_p95_us: 1e6 * single.p95(),
        peak_rss_mb: train.peak_rss_mb,
        tasks: tasks
            .map(|(task, (measurement, change))| (task, details(measurement, *change)))
            .collect::<BTreeMap<_, _>>(),
    })
}

fn details(measurement: &Measurement, baseline: Option<page::BaselineRow>) -> page::TaskDetails {
    page::TaskDetails {
        gflops: measurement.gflops(),
        roofline: roofline(measurement),
        joules_per_image: measurement.joules_per_image(),
        baseline,
    }
}

fn roofline(measurement: &Measurement) -> Option<page::Roofline> {
    let timing::Roofline { gb_per_sec, bound, share } = measurement.roofline()?;
    let bound = match bound {
        Bound::Product => page::Bound::Product,
        Bound::Memory => page::Bound::Memory,
    };
    Some(page::Roofline { gb_per_sec, bound, share })
}

/// The row of a measurement.
fn row(measurement: &Measurement) -> page::BenchRow {
    let Request { model, head, input, batch, task, .. } = &measurement.request;
    page::BenchRow {
        network: format!("{model} {head}"),
        input: *input,
        task: match task {
            Task::Train => page::BenchTask::Training(*batch),
            Task::Infer if *batch == LATENCY_BATCH => page::BenchTask::Latency,
            Task::Infer => page::BenchTask::Inference(*batch),
        },
        samples_per_sec: measurement.samples_per_sec(),
        gflops: measurement.gflops(),
        roofline: roofline(measurement),
        peak_rss_mb: measurement.peak_rss_mb,
        joules_per_image: measurement.joules_per_image(),
        scaling: measurement
            .scaling
            .clone()
            .map(|Scaling { serial_share, bounds }| page::Scaling { serial_share, bounds }),
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
