use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::Result;
use candle_core::{DType, Device, Tensor};
use rayon::{ThreadPool, ThreadPoolBuilder};
use records::Measured;
use serde::{Deserialize, Serialize};

use crate::{
    own::OwnNetwork,
    peer::Peer,
    protocol::{Request, Task},
};

/// A request and the images per second that this program and its peers reached, one value per round.
#[derive(Debug, Serialize, Deserialize)]
pub struct Measurement {
    /// The network and the task.
    pub request: Request,
    /// Multiply-accumulates for one image.
    pub macs: u64,
    /// The images per second of this program.
    pub here: Vec<f64>,
    /// The 95th percentile of the time of one batch, in seconds.
    pub p95: Vec<f64>,
    /// This program on a single thread.
    pub one_thread: Vec<f64>,
    /// The 10⁹ floating-point operations per second that a product of large matrices reached in the same round.
    pub matmul_gflops: Vec<f64>,
    /// The peers; empty where a peer does not have the network.
    pub peers: Vec<Vec<f64>>,
}

impl Measurement {
    /// Starts without values.
    pub fn new(request: Request, macs: u64, peers: usize) -> Self {
        let [here, p95, one_thread, matmul_gflops] = [const { Vec::new() }; 4];
        Self { request, macs, here, p95, one_thread, matmul_gflops, peers: vec![Vec::new(); peers] }
    }

    /// The median of the images per second.
    pub fn samples_per_sec(&self) -> f64 {
        median(&self.here)
    }

    /// The median over rounds of the 95th percentile of the time of one batch, in seconds.
    pub fn p95(&self) -> f64 {
        median(&self.p95)
    }

    /// The efficiency: the share of the speed of a product of large matrices that the network reaches.
    pub fn efficiency(&self) -> f64 {
        self.gflops() / median(&self.matmul_gflops)
    }

    /// The 10⁹ operations per second: two for each multiply-accumulate of a forward pass, and three times as many in a
    /// training step.
    pub fn gflops(&self) -> f64 {
        let passes = if self.request.task == Task::Train { 3. } else { 1. };
        2. * passes * self.macs as f64 * self.samples_per_sec() / 1e9
    }
}

fn median(values: &[f64]) -> f64 {
    Measured::of(values.to_vec()).median
}

/// Executes every request once here and, if there are peers, in each of them and on a single thread.
///
/// # Errors
/// A network that cannot be built, and a peer that fails.
pub fn run_round(measurements: &mut [Measurement], peers: &mut [Peer]) -> Result<()> {
    for measurement in measurements {
        let request = measurement.request.clone();
        let pool = ThreadPoolBuilder::new().num_threads(request.threads).build()?;
        let mut network = OwnNetwork::new(&request)?;
        let_threads_sleep();
        let time = network.time(&pool)?;
        measurement.here.push(request.batch as f64 / time.median);
        measurement.p95.push(time.p95);
        for (peer, rates) in peers.iter_mut().zip(&mut measurement.peers) {
            let_threads_sleep();
            rates.extend(peer.samples_per_sec(&request)?);
        }
        if !peers.is_empty() {
            let_threads_sleep();
            let single = ThreadPoolBuilder::new().num_threads(1).build()?;
            measurement.one_thread.push(request.batch as f64 / network.time(&single)?.median);
            measurement.matmul_gflops.push(matmul_gflops(&pool)?);
        }
    }
    Ok(())
}

/// Waits until the threads of the previous contestant sleep. Some of them wait for work by spinning.
fn let_threads_sleep() {
    sleep(Duration::from_millis(50));
}

/// The 10⁹ operations per second of the fastest of a few matrix products by the `gemm` crate.
fn matmul_gflops(pool: &ThreadPool) -> Result<f64> {
    const SIZE: usize = 512;
    let matrix = Tensor::ones((SIZE, SIZE), DType::F32, &Device::Cpu)?;
    let seconds = (0..5).map(|_| {
        let start = Instant::now();
        pool.install(|| matrix.matmul(&matrix))?;
        Ok(start.elapsed().as_secs_f64())
    });
    let fastest = seconds.collect::<Result<Vec<f64>>>()?.into_iter().fold(f64::INFINITY, f64::min);
    Ok(2. * (SIZE as f64).powi(3) / fastest / 1e9)
}
