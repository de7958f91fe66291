use std::{thread::sleep, time::Duration, time::Instant};

use anyhow::Result;
use candle_core::{DType, Device, Tensor};
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::Serialize;

use super::{Contestant, LATENCY_BATCH, Peer, Request, What, here::Here};
use crate::speed::median_and_spread;

/// One network doing one thing, here and elsewhere, in images per second: a value for each round.
#[derive(Serialize)]
pub struct Measurement {
    pub request: Request,
    pub macs: u64,
    pub here: Vec<f64>,
    /// Seconds that 95 of 100 batches took at most.
    pub p95: Vec<f64>,
    pub one_thread: Vec<f64>,
    /// GFLOP/s of a product of large matrices: what the machine gave in the same rounds.
    pub matmul_gflops: Vec<f64>,
    /// Empty where a peer can't do it.
    pub peers: Vec<Vec<f64>>,
}

/// The speed of one network; scripts rely on the names.
#[derive(Serialize)]
pub struct Speed {
    pub model: String,
    pub head: String,
    pub input: [usize; 3],
    pub train_samples_per_sec: f64,
    pub train_batch_size: usize,
    pub infer_samples_per_sec: f64,
    pub infer_batch_size: usize,
    pub latency_us: f64,
    pub latency_p95_us: f64,
    /// Of a training step; null where the system does not tell.
    pub peak_rss_mb: Option<f64>,
}

impl Measurement {
    pub fn new(request: Request, macs: u64, peers: usize) -> Self {
        let [here, p95, one_thread, matmul_gflops] = [const { Vec::new() }; 4];
        Self { request, macs, here, p95, one_thread, matmul_gflops, peers: vec![Vec::new(); peers] }
    }

    pub fn samples_per_sec(&self) -> f64 {
        median(&self.here)
    }

    pub fn p95(&self) -> f64 {
        median(&self.p95)
    }

    pub fn is_latency(&self) -> bool {
        self.request.batch == LATENCY_BATCH
    }

    /// Two operations for each multiply-accumulate of a forward pass; a training step counts three times that.
    pub fn gflops(&self) -> f64 {
        let passes = if self.request.what == What::Train { 3. } else { 1. };
        2. * passes * self.macs as f64 * self.samples_per_sec() / 1e9
    }

    /// That, relative to a matrix product.
    pub fn efficiency(&self) -> f64 {
        self.gflops() / median(&self.matmul_gflops)
    }
}

fn median(values: &[f64]) -> f64 {
    median_and_spread(values.to_vec()).median
}

/// One more round of each; the peers are asked only if there are any, and so is a single thread.
pub fn measure(measurements: &mut [Measurement], peers: &mut [Peer]) -> Result<()> {
    for measurement in measurements {
        let request = measurement.request.clone();
        let pool = ThreadPoolBuilder::new().num_threads(request.threads).build()?;
        let mut here = Here::new(&request)?;
        rest();
        let timing = here.time(&pool)?;
        measurement.here.push(request.batch as f64 / timing.median);
        measurement.p95.push(timing.p95);
        for (peer, rates) in peers.iter_mut().zip(&mut measurement.peers) {
            rest();
            rates.extend(peer.samples_per_sec(&request)?);
        }
        if !peers.is_empty() {
            rest();
            let alone = ThreadPoolBuilder::new().num_threads(1).build()?;
            measurement.one_thread.push(request.batch as f64 / here.time(&alone)?.median);
            measurement.matmul_gflops.push(matmul_gflops(&pool)?);
        }
    }
    Ok(())
}

/// Lets the threads of the one before fall asleep: some wait by spinning.
fn rest() {
    sleep(Duration::from_millis(50));
}

/// The fastest of a few products by the `gemm` crate.
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
