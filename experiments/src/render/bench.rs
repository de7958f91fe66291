//! What `bench` measured, as text.

use super::thousands;
use crate::{
    bench::{LATENCY_BATCH, Request, What},
    commands::Speed,
    machine::Cpu,
};
use tabled::{
    builder::Builder,
    settings::{Alignment, Modify, Style, object::Columns},
};

/// One network doing one thing, here and elsewhere, round by round, in images per second.
pub struct Comparison {
    pub request: Request,
    pub macs: u64,
    pub here: Vec<f64>,
    pub one_thread: Vec<f64>,
    /// GFLOP/s of a product of large matrices in the same rounds.
    pub peak: Vec<f64>,
    /// Empty where a peer can't do it.
    pub peers: Vec<Vec<f64>>,
}

impl Comparison {
    pub fn new(request: Request, macs: u64, peers: usize) -> Self {
        let (here, one_thread, peak) = (Vec::new(), Vec::new(), Vec::new());
        Self { request, macs, here, one_thread, peak, peers: vec![Vec::new(); peers] }
    }

    fn title(&self) -> String {
        let Request { model, head, input: [c, h, w], .. } = &self.request;
        format!("{model} {head} {c}×{h}×{w}")
    }

    fn what(&self) -> String {
        match (self.request.what, self.request.batch) {
            (What::Train, batch) => format!("training, {batch}"),
            (What::Infer, LATENCY_BATCH) => "latency, 1".into(),
            (What::Infer, batch) => format!("inference, {batch}"),
        }
    }

    /// Images per second, or for a single image the time it takes.
    fn speed(&self, rates: &[f64]) -> String {
        let rate = median(rates);
        if self.request.batch == LATENCY_BATCH {
            format!("{} µs", thousands((1e6 / rate).round() as u64))
        } else {
            format!("{} img/s", thousands(rate.round() as u64))
        }
    }

    /// Forward two operations for each multiply-accumulate; a training step counts three times that.
    fn gflops(&self) -> f64 {
        let passes = if self.request.what == What::Train { 3. } else { 1. };
        2. * passes * self.macs as f64 * median(&self.here) / 1e9
    }

    fn cells(&self) -> Vec<String> {
        let share = 100. * self.gflops() / median(&self.peak);
        let mut cells = vec![
            self.title(),
            self.what(),
            self.speed(&self.here),
            format!("{:.0} ({share:.0} %)", self.gflops()),
            ratio(&self.here, &self.one_thread),
        ];
        cells.extend(self.peers.iter().map(|peer| ratio(&self.here, peer)));
        cells
    }
}

fn columns(peers: &[String]) -> Vec<String> {
    let mut columns = vec![
        "network".to_string(),
        "what, batch".into(),
        "here".into(),
        "GFLOP/s (of a matrix product's)".into(),
        "× one thread".into(),
    ];
    columns.extend(peers.iter().map(|peer| format!("× {peer}")));
    columns
}

/// How many times as fast, round by round: the median, and from the least to the most.
fn ratio(here: &[f64], there: &[f64]) -> String {
    let mut ratios: Vec<f64> = here.iter().zip(there).map(|(here, there)| here / there).collect();
    if ratios.is_empty() {
        return "–".into();
    }
    ratios.sort_unstable_by(f64::total_cmp);
    format!("{:.2} ({:.2}–{:.2})", median(&ratios), ratios[0], ratios[ratios.len() - 1])
}

fn median(values: &[f64]) -> f64 {
    crate::speed::median_and_spread(values.to_vec()).median
}

pub fn comparison_table(comparisons: &[Comparison], peers: &[String]) -> String {
    let rows = comparisons.iter().map(Comparison::cells);
    tabulated(columns(peers), rows, 2)
}

pub fn speed_table(speeds: &[Speed]) -> String {
    let columns = [
        "network",
        "input",
        "training (img/s)",
        "inference (img/s)",
        "latency (µs)",
        "95th percentile",
        "peak memory (MB)",
    ];
    let number = |value: f64| thousands(value.round() as u64);
    let rows = speeds.iter().map(|speed| {
        let [c, h, w] = speed.input;
        vec![
            format!("{} {}", speed.model, speed.head),
            format!("{c}×{h}×{w}"),
            number(speed.train_samples_per_sec),
            number(speed.infer_samples_per_sec),
            number(speed.latency_us),
            number(speed.latency_p95_us),
            speed.peak_rss_mb.map_or("–".into(), number),
        ]
    });
    tabulated(columns.map(String::from).into(), rows, 2)
}

/// `words` columns of words, then numbers.
fn tabulated(columns: Vec<String>, rows: impl Iterator<Item = Vec<String>>, words: usize) -> String {
    let mut builder = Builder::default();
    builder.push_record(columns);
    rows.for_each(|row| builder.push_record(row));
    let mut table = builder.build();
    table.with(Style::sharp()).with(Modify::new(Columns::new(words..)).with(Alignment::right()));
    table.to_string()
}

/// The page of `results/bench`.
pub fn comparison_page(comparisons: &[Comparison], peers: &[String], cpu: &Cpu, threads: usize) -> String {
    let columns = columns(peers);
    let rounds = comparisons.first().map_or(0, |comparison| comparison.here.len());
    let mut page =
        String::from("# bench\n\nHow fast the networks train and infer, beside the same networks elsewhere.\n\n");
    page += &format!("| {} |\n| --- | --- |{}\n", columns.join(" | "), " ---: |".repeat(columns.len() - 2));
    comparisons.iter().for_each(|comparison| page += &format!("| {} |\n", comparison.cells().join(" | ")));
    page += &format!(
        "\n`× X` is how many times as fast as X: the median of {rounds} rounds, in which all took turns, and the range. \
         Single figures are medians too; on a shared machine only the ratios mean something. A step of training counts \
         6 operations for each multiply-accumulate, inference 2; beside it what a 512×512 matrix product reached in the \
         same rounds.\n\n- {} ({}), {threads} threads; `× one thread` compares with a single one\n- experiments {}\n",
        cpu.model,
        cpu.instruction_set,
        env!("CARGO_PKG_VERSION")
    );
    peers.iter().for_each(|peer| page += &format!("- {peer}\n"));
    page + "\nHow to run it: `experiments/peers/README.md`.\n"
}
