use std::{fs, process::Command};

use anyhow::{Context, Result, ensure};
use candle_core::{Device, Tensor};
use models::{ModelConfig, ModelName};
use rayon::{ThreadPool, ThreadPoolBuilder};
use training::OptimizerConfig;

use super::{Request, What, for_a_moment};
use crate::{output::print_json, speed::Timed};

/// One of this program's own networks, doing what is asked for.
pub struct Here {
    what: What,
    network: Timed,
    images: Tensor,
    labels: Tensor,
}

/// Of a batch, in seconds.
pub struct Timing {
    pub median: f64,
    /// What 95 of 100 took at most.
    pub p95: f64,
}

impl Here {
    pub fn new(request: &Request) -> Result<Self> {
        let name: ModelName = request.model.parse()?;
        let (head, input, classes) = (request.head.parse()?, request.input, request.classes);
        let config = ModelConfig { head, input, classes, ..name.config()? };
        let build = |parameters: &training::Parameters| name.architecture().build(&config, parameters.builder());
        let network = Timed::new(&Device::Cpu, &OptimizerConfig::adamw(), build)?;
        let (images, labels) = request.images()?;
        Ok(Self { what: request.what, network, images, labels })
    }

    pub fn time(&mut self, pool: &ThreadPool) -> Result<Timing> {
        let Self { what, network, images, labels } = self;
        let durations = pool.install(|| match what {
            What::Train => {
                network.train(images, labels)?; // to warm up
                for_a_moment(|| network.train(images, labels))
            }
            What::Infer => {
                let mut inference = network.inference(images)?;
                for_a_moment(|| inference.seconds(images))
            }
        })?;
        let p95 = (durations.len() * 95).div_ceil(100) - 1;
        Ok(Timing { median: durations[durations.len() / 2], p95: durations[p95] })
    }
}

/// The largest amount of memory that a process holds which does this and nothing else, in MB; none where the system does
/// not tell.
pub fn peak_memory(request: &Request) -> Result<Option<f64>> {
    let program = std::env::current_exe().context("the path of this program")?;
    let child = Command::new(program).arg("peak-memory").arg(serde_json::to_string(request)?).output()?;
    ensure!(child.status.success(), "measuring memory: {}", String::from_utf8_lossy(&child.stderr).trim_end());
    Ok(serde_json::from_slice(&child.stdout)?)
}

/// What the process of [`peak_memory`] does.
pub fn print_peak_memory(request: &Request) -> Result<()> {
    Here::new(request)?.time(&ThreadPoolBuilder::new().num_threads(request.threads).build()?)?;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    print_json(&peak.map(|kib: f64| kib * 1024. / 1e6))
}
