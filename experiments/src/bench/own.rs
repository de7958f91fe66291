use std::{fs, process::Command};

use anyhow::{Context, Result, ensure};
use candle_core::{Device, Tensor};
use models::{ModelConfig, ModelName};
use rayon::{ThreadPool, ThreadPoolBuilder};
use training::OptimizerConfig;

use super::peer::{Request, Task, repeat};
use crate::{output::print_json, timing::TimedNetwork};

/// One of this program's own networks, ready to execute a request.
pub struct OwnNetwork {
    task: Task,
    network: TimedNetwork,
    images: Tensor,
    labels: Tensor,
}

/// The time that one batch takes, in seconds.
pub struct BatchTime {
    pub median: f64,
    /// The 95th percentile.
    pub p95: f64,
}

impl OwnNetwork {
    /// Builds the requested network.
    pub fn new(request: &Request) -> Result<Self> {
        let name: ModelName = request.model.parse()?;
        let (head, input, classes) = (request.head.parse()?, request.input, request.classes);
        let config = ModelConfig { head, input, classes, ..name.config()? };
        let build = |parameters: &training::Parameters| name.architecture().build(&config, parameters.builder());
        let network = TimedNetwork::new(&Device::Cpu, &OptimizerConfig::adamw(), build)?;
        let (images, labels) = request.images()?;
        Ok(Self { task: request.task, network, images, labels })
    }

    /// Warms up, then repeats the task on the threads of `pool`.
    pub fn time(&mut self, pool: &ThreadPool) -> Result<BatchTime> {
        let Self { task, network, images, labels } = self;
        let durations = pool.install(|| match task {
            Task::Train => {
                network.train(images, labels)?;
                repeat(|| network.train(images, labels))
            }
            Task::Infer => {
                let mut inference = network.inference(images)?;
                repeat(|| inference.run(images))
            }
        })?;
        let p95 = (durations.len() * 95).div_ceil(100) - 1;
        Ok(BatchTime { median: durations[durations.len() / 2], p95: durations[p95] })
    }
}

/// Measures the peak memory, in MB, of a process that executes this request and nothing else; `None` where the operating
/// system does not report it.
pub fn peak_memory(request: &Request) -> Result<Option<f64>> {
    let program = std::env::current_exe().context("cannot find the path of this program")?;
    let child = Command::new(program).arg("peak-memory").arg(serde_json::to_string(request)?).output()?;
    ensure!(child.status.success(), "cannot measure memory: {}", String::from_utf8_lossy(&child.stderr).trim_end());
    Ok(serde_json::from_slice(&child.stdout)?)
}

/// Executes a request and prints the peak memory of this process: the task of the process started by [`peak_memory`].
pub fn print_peak_memory(request: &Request) -> Result<()> {
    OwnNetwork::new(request)?.time(&ThreadPoolBuilder::new().num_threads(request.threads).build()?)?;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    print_json(&peak.map(|kib: f64| kib * 1024. / 1e6))
}
