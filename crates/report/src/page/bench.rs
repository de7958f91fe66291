//! Tables of `bench`: the speed of networks here, and compared with other programs.

use serde::Serialize;

use crate::{
    document::{Cell, Column, Document, Table},
    number::{NONE, extent, fixed, whole},
};

/// The speed of one network at one task, here and in other programs.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparedSpeed {
    /// The model, its head and its input, as `two-conv fc:128 1×28×28`.
    pub network: String,
    /// The task, with its number of images at once.
    pub task: BenchTask,
    /// Images per second, the median over rounds.
    pub samples_per_sec: f64,
    /// Floating-point operations per second, in 10⁹.
    pub gflops: f64,
    /// Those operations relative to what a matrix product reached in the same rounds.
    pub efficiency: f64,
    /// How many times as fast as on a single thread; `None` if that was not measured.
    pub one_thread: Option<Ratio>,
    /// How many times as fast as each peer; `None` where a peer cannot do it.
    pub peers: Vec<Option<Ratio>>,
}

/// A timed task, with its batch size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BenchTask {
    /// Training steps with this many images each.
    Training(usize),
    /// Inference on this many images at once.
    Inference(usize),
    /// Inference on a single image, shown as a time.
    Latency,
}

/// Ratios of speeds over rounds in which both took turns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The median.
    pub median: f64,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

/// The conditions of a comparison, which its page names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions {
    /// The CPU and its instruction set.
    pub cpu: String,
    /// How many threads each program had.
    pub threads: usize,
    /// How many rounds were timed.
    pub rounds: usize,
    /// The version of this program.
    pub version: String,
}

/// The speed of one network. Its JSON is what `bench --json` prints; scripts rely on the keys.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NetworkSpeed {
    /// The model with its width.
    pub model: String,
    /// The head.
    pub head: String,
    /// Channels, height and width of the input.
    pub input: [usize; 3],
    /// Images per second in training.
    pub train_samples_per_sec: f64,
    /// The number of images per training step.
    pub train_batch_size: usize,
    /// Images per second in inference.
    pub infer_samples_per_sec: f64,
    /// The number of images per forward pass.
    pub infer_batch_size: usize,
    /// The median time of one image in microseconds.
    pub latency_us: f64,
    /// The 95th percentile of the time of one image in microseconds.
    pub latency_p95_us: f64,
    /// The peak memory of a training step in megabytes; `None` where the operating system does not report it.
    pub peak_rss_mb: Option<f64>,
}

/// Builds the page of a comparison with the named peers.
pub fn comparison_page(speeds: &[ComparedSpeed], peers: &[String], conditions: &Conditions) -> Document {
    let Conditions { cpu, threads, rounds, version } = conditions;
    let mut page = Document::new("bench");
    page.paragraph("How fast do the networks train and infer, compared with the same networks in other programs?");
    page.table(comparison_table(speeds, peers));
    page.paragraph(format!(
        "`× X` is how many times as fast as X: the median of {rounds} rounds, in which all programs took turns, and the \
         range. The other numbers are medians too; on a shared machine only the ratios are reliable. A training step \
         counts 6 operations for each multiply-accumulate, inference 2, those of the network as it is defined; inference \
         runs its prepared form (`Classifier::prepare`). The percentage is relative to what a product of two 512×512 \
         matrices reached in the same rounds."
    ));
    let machine = format!("{cpu}, {threads} threads; `× one thread` compares with a single thread");
    page.list([machine, format!("experiments {version}")].into_iter().chain(peers.iter().cloned()));
    page.paragraph("How to run it: `experiments/peers/README.md`.");
    page
}

/// Builds the table of a comparison with the named peers.
pub fn comparison_table(speeds: &[ComparedSpeed], peers: &[String]) -> Table {
    let numbers = ["here", "GFLOP/s (% of a matrix product's)", "× one thread"].map(String::from);
    let peers = peers.iter().map(|peer| format!("× {peer}"));
    let columns = [Column::key("network"), Column::key("task, batch size")];
    let mut table = Table::new(columns.into_iter().chain(numbers.into_iter().chain(peers).map(Column::number)));
    for speed in speeds {
        let (task, here) = match speed.task {
            BenchTask::Training(batch) => (format!("training, {batch}"), rate(speed.samples_per_sec)),
            BenchTask::Inference(batch) => (format!("inference, {batch}"), rate(speed.samples_per_sec)),
            BenchTask::Latency => ("latency, 1".into(), format!("{} µs", whole(1e6 / speed.samples_per_sec))),
        };
        let efficiency = format!("{} ({} %)", whole(speed.gflops), whole(100. * speed.efficiency));
        let cells = [
            Cell::from(speed.network.as_str()),
            Cell::from(task),
            Cell::number(here, speed.samples_per_sec),
            Cell::number(efficiency, speed.gflops),
            ratio(speed.one_thread),
        ];
        table.push(cells.into_iter().chain(speed.peers.iter().map(|&peer| ratio(peer))));
    }
    table
}

/// Builds a table of speeds without a comparison.
pub fn speed_table(speeds: &[NetworkSpeed]) -> Table {
    let numbers = ["training (images/s)", "inference (images/s)", "latency (µs)", "p95 (µs)", "memory (MB)"];
    let columns = [Column::key("network"), Column::text("input")];
    let mut table = Table::new(columns.into_iter().chain(numbers.map(Column::number)));
    for speed in speeds {
        let number = |value: f64| Cell::number(whole(value), value);
        table.push([
            Cell::from(format!("{} {}", speed.model, speed.head)),
            Cell::from(extent(&speed.input)),
            number(speed.train_samples_per_sec),
            number(speed.infer_samples_per_sec),
            number(speed.latency_us),
            number(speed.latency_p95_us),
            speed.peak_rss_mb.map_or_else(|| NONE.into(), number),
        ]);
    }
    table
}

fn rate(samples_per_sec: f64) -> String {
    format!("{} images/s", whole(samples_per_sec))
}

fn ratio(ratio: Option<Ratio>) -> Cell {
    let Some(Ratio { median, least, most }) = ratio else { return NONE.into() };
    Cell::number(format!("{} ({}–{})", fixed(median, 2), fixed(least, 2), fixed(most, 2)), median)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_says_how_it_was_made_and_leaves_a_dash_where_a_peer_cannot_do_it() {
        let ratio = Ratio { median: 3.402, least: 2.934, most: 3.81 };
        let speed = |task, samples_per_sec| ComparedSpeed {
            network: "two-conv fc:128 1×28×28".into(),
            task,
            samples_per_sec,
            gflops: 118.2,
            efficiency: 0.97,
            one_thread: Some(ratio),
            peers: vec![Some(ratio), None],
        };
        let conditions = Conditions { cpu: "A CPU (avx2+fma)".into(), threads: 2, rounds: 7, version: "0.1.0".into() };
        let speeds = [
            speed(BenchTask::Training(64), 7459.),
            speed(BenchTask::Inference(256), 29_242.),
            speed(BenchTask::Latency, 16_666.),
        ];
        let page = comparison_page(&speeds, &["PyTorch 2.15".into(), "candle 0.11".into()], &conditions);
        insta::assert_snapshot!(crate::markdown(&page));
        insta::assert_snapshot!(crate::terminal(&page, 80));
    }

    #[test]
    fn speeds_alone_fit_into_80_columns() {
        let speed = NetworkSpeed {
            model: "mobilenet-v1@0.25".into(),
            head: "gap-fc".into(),
            input: [3, 96, 96],
            train_samples_per_sec: 677.,
            train_batch_size: 64,
            infer_samples_per_sec: 3515.,
            infer_batch_size: 256,
            latency_us: 557.,
            latency_p95_us: 612.,
            peak_rss_mb: None,
        };
        insta::assert_snapshot!(crate::terminal(&speed_table(&[speed]).into(), 80));
    }
}
