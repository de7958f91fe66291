use std::collections::BTreeMap;

use serde::Serialize;

use super::{baseline::BaselineRow, row::Roofline};
use crate::{
    document::{Cell, Column, Table},
    number::{extent, whole},
};

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
    /// The peak memory of training in megabytes; `None` where the operating system does not report it.
    pub peak_rss_mb: Option<f64>,
    /// More about the tasks `train`, `infer` and `latency`.
    pub tasks: BTreeMap<&'static str, TaskDetails>,
}

/// The speed of one task in operations and bytes, and its energy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskDetails {
    /// Floating-point operations per second, in 10⁹.
    pub gflops: f64,
    /// The limits of the machine that bound the speed.
    #[serde(flatten)]
    pub roofline: Option<Roofline>,
    /// The energy of one image in joules; `None` if it was not measured.
    pub joules_per_image: Option<f64>,
    /// The change since an earlier run, if there is one to compare with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineRow>,
}

/// Builds a table of the networks' speeds.
pub fn speed_table(speeds: &[NetworkSpeed]) -> Table {
    let numbers = ["training (samples/s)", "inference (samples/s)", "latency (µs)", "p95 (µs)"];
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
        ]);
    }
    table
}
