use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    document::{Cell, Column},
    number::{NONE, fixed},
};

/// The speed of one network at one task, here and in other programs.
#[derive(Clone, Debug, PartialEq)]
pub struct BenchRow {
    /// The model with its width and its head, as `two-conv fc:128`.
    pub network: String,
    /// Channels, height and width of the input.
    pub input: [usize; 3],
    /// The task, with its number of images at once.
    pub task: BenchTask,
    /// Images per second, the median over rounds.
    pub samples_per_sec: f64,
    /// Floating-point operations per second, in 10⁹.
    pub gflops: f64,
    /// The limit of the speed; `None` if that was not measured.
    pub roofline: Option<Roofline>,
    /// The peak memory of training in megabytes; `None` in inference and if it was not measured.
    pub peak_rss_mb: Option<f64>,
    /// The energy of one image in joules; `None` if it was not measured.
    pub joules_per_image: Option<f64>,
    /// The gain that more threads could bring; `None` if that was not measured.
    pub scaling: Option<Scaling>,
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

/// The lower one of a machine's limits, compared with a network's speed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Roofline {
    /// The least data that moves at the measured speed, in 10⁹ bytes per second.
    pub gb_per_sec: f64,
    /// The limit.
    pub bound: Bound,
    /// The share of the limit that is reached.
    pub share: f64,
}

/// A limit of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// The speed of a product of matrices.
    Product,
    /// The bandwidth of the memory, or of the cache that holds what is moved.
    Memory,
}

/// Bounds of what more threads could gain.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scaling {
    /// The share of one thread's time that is outside of parallel loops.
    pub serial_share: f64,
    /// How many times as fast as one thread each number of threads could be at most.
    pub bounds: BTreeMap<usize, f64>,
}

/// Ratios of speeds over rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Ratio {
    /// The median.
    #[serde(rename = "ratio")]
    pub median: f64,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

impl BenchTask {
    /// Names the task with its batch size: `inference, 256`.
    pub(super) fn name(self) -> String {
        match self {
            Self::Training(batch) => format!("training, {batch}"),
            Self::Inference(batch) => format!("inference, {batch}"),
            Self::Latency => "latency, 1".into(),
        }
    }

    /// Names the task with few letters: `infer 256`.
    pub(super) fn short_name(self) -> String {
        match self {
            Self::Training(batch) => format!("train {batch}"),
            Self::Inference(batch) => format!("infer {batch}"),
            Self::Latency => "latency".into(),
        }
    }
}

impl Ratio {
    /// Formats the ratio and its range: `2.46 (1.65–2.78)`.
    pub(super) fn text(self) -> String {
        let Self { median, least, most } = self;
        format!("{} ({}–{})", fixed(median, 2), fixed(least, 2), fixed(most, 2))
    }
}

/// The columns that name the rows of a table for a terminal.
pub(super) fn short_keys() -> [Column; 2] {
    [Column::key("network"), Column::key("task")]
}

/// The cells of [`short_keys`].
pub(super) fn short_key_cells(row: &BenchRow) -> [Cell; 2] {
    [row.network.as_str().into(), row.task.short_name().into()]
}

/// A cell with a ratio, or a dash.
pub(super) fn ratio_cell(ratio: Option<Ratio>) -> Cell {
    ratio.map_or_else(|| NONE.into(), |ratio| Cell::number(ratio.text(), ratio.median))
}
