use layers::Description;
use records::Measured;
use serde::{Deserialize, Serialize};

use crate::{
    protocol::Request,
    scaling::Scaling,
    work::{least_bytes, operations},
};

/// A request and the images per second that this program and its peers reached, one value per round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measurement {
    /// The network and the task.
    pub request: Request,
    /// Multiply-accumulates for one image.
    pub macs: u64,
    /// The least bytes that one batch moves between layers and memory; `None` in files of earlier versions, as the
    /// following values are empty there.
    #[serde(default)]
    pub least_bytes: Option<u64>,
    /// The images per second of this program.
    pub here: Vec<f64>,
    /// The 95th percentile of the time of one batch, in seconds.
    pub p95: Vec<f64>,
    /// This program on a single thread.
    pub one_thread: Vec<f64>,
    /// The 10⁹ floating-point operations per second that a product of large matrices reached in the same round.
    pub matmul_gflops: Vec<f64>,
    /// The 10⁹ bytes per second at which memory of the size `least_bytes` was read in the same round.
    #[serde(default)]
    pub bandwidth_gb_per_sec: Vec<f64>,
    /// The energy of one image in joules; empty where it cannot be measured.
    #[serde(default)]
    pub joules_per_image: Vec<f64>,
    /// The peak memory, in megabytes, of a process that only trains this network; `None` in inference and where the
    /// operating system does not report it.
    #[serde(default)]
    pub peak_rss_mb: Option<f64>,
    /// The gain that more threads could give; `None` if it was not measured.
    #[serde(default)]
    pub scaling: Option<Scaling>,
    /// The peers; empty where a peer does not have the network.
    pub peers: Vec<Vec<f64>>,
}

/// The limit of a network's speed by the roofline model of Williams et al. 2009
/// (<https://doi.org/10.1145/1498765.1498785>).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roofline {
    /// The 10⁹ bytes per second that move at the measured speed, as [`Measurement::least_bytes`] counts them.
    pub gb_per_sec: f64,
    /// The limit that is the lower one.
    pub bound: Bound,
    /// The share of this limit that is reached.
    pub share: f64,
}

/// A limit of the speed of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// The speed of a product of large matrices.
    Product,
    /// The bandwidth of the memory, or of the cache that holds what is moved.
    Memory,
}

impl Measurement {
    /// Starts without values, for a request of the described network and a number of peers.
    pub fn new(request: Request, network: &Description, peers: usize) -> Self {
        let least_bytes = Some(least_bytes(network, &request.input, request.task, request.batch));
        let [here, p95, one_thread, matmul_gflops, bandwidth_gb_per_sec, joules_per_image] = Default::default();
        Self {
            request,
            macs: network.macs,
            least_bytes,
            here,
            p95,
            one_thread,
            matmul_gflops,
            bandwidth_gb_per_sec,
            joules_per_image,
            peak_rss_mb: None,
            scaling: None,
            peers: vec![Vec::new(); peers],
        }
    }

    /// The median of the images per second.
    pub fn samples_per_sec(&self) -> f64 {
        median(&self.here)
    }

    /// The median over rounds of the 95th percentile of the time of one batch, in seconds.
    pub fn p95(&self) -> f64 {
        median(&self.p95)
    }

    /// The median energy of one image in joules; `None` if it was not measured.
    pub fn joules_per_image(&self) -> Option<f64> {
        (!self.joules_per_image.is_empty()).then(|| median(&self.joules_per_image))
    }

    /// The 10⁹ operations per second: two for each multiply-accumulate of a forward pass, and three times as many in a
    /// training step.
    pub fn gflops(&self) -> f64 {
        operations(self.macs, self.request.task, self.request.batch) as f64 * self.batches_per_sec() / 1e9
    }

    /// Compares the speed with the limits of the machine; `None` in a file of an earlier version.
    pub fn roofline(&self) -> Option<Roofline> {
        if self.matmul_gflops.is_empty() || self.bandwidth_gb_per_sec.is_empty() {
            return None;
        }
        let gb_per_sec = self.least_bytes? as f64 * self.batches_per_sec() / 1e9;
        let of_product = self.gflops() / median(&self.matmul_gflops);
        let of_memory = gb_per_sec / median(&self.bandwidth_gb_per_sec);
        let bound = if of_memory > of_product { Bound::Memory } else { Bound::Product };
        Some(Roofline { gb_per_sec, bound, share: of_product.max(of_memory) })
    }

    fn batches_per_sec(&self) -> f64 {
        self.samples_per_sec() / self.request.batch as f64
    }
}

fn median(values: &[f64]) -> f64 {
    Measured::of(values.to_vec()).median
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Task;

    #[test]
    fn the_lower_limit_bounds_a_network() {
        let request = Request {
            model: "two-conv".into(),
            head: "fc".into(),
            input: [1, 10, 10],
            classes: 10,
            task: Task::Infer,
            batch: 2,
            threads: 1,
        };
        let linear = Description::global("linear", vec![10]).with_params(1000).with_macs(1000);
        let mut measurement = Measurement::new(request, &linear, 0);
        let bytes = 4 * (2 * (100 + 10) + 1000);
        assert_eq!(measurement.least_bytes, Some(bytes));
        measurement.here = vec![1e6]; // 500,000 batches: 2 GFLOP/s
        assert_eq!(measurement.roofline(), None);
        measurement.matmul_gflops = vec![8.];
        measurement.bandwidth_gb_per_sec = vec![100.];
        let gb_per_sec = bytes as f64 * 5e5 / 1e9;
        assert_eq!(measurement.roofline(), Some(Roofline { gb_per_sec, bound: Bound::Product, share: 0.25 }));
        measurement.bandwidth_gb_per_sec = vec![2. * gb_per_sec];
        assert_eq!(measurement.roofline(), Some(Roofline { gb_per_sec, bound: Bound::Memory, share: 0.5 }));
    }
}
