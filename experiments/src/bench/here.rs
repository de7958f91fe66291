use std::{collections::HashMap, fs};

use anyhow::Result;
use candle_core::{Device, Tensor};
use models::{ModelConfig, ModelName};
use rayon::{ThreadPool, ThreadPoolBuilder};
use training::OptimizerConfig;

use super::{Request, What, for_a_moment};
use crate::speed::Timed;

/// This program's own networks, by request.
#[derive(Default)]
pub struct Here {
    subjects: HashMap<String, Subject>,
}

struct Subject {
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
    pub fn time(&mut self, request: &Request, pool: &ThreadPool) -> Result<Timing> {
        let key = serde_json::to_string(&request)?;
        if !self.subjects.contains_key(&key) {
            self.subjects.insert(key.clone(), Subject::new(request)?);
        }
        let subject = self.subjects.get_mut(&key).expect("made above");
        let durations = pool.install(|| {
            subject.step(request.what)?; // to warm up
            for_a_moment(|| subject.step(request.what))
        })?;
        let p95 = (durations.len() * 95).div_ceil(100) - 1;
        Ok(Timing { median: durations[durations.len() / 2], p95: durations[p95] })
    }
}

impl Subject {
    fn new(request: &Request) -> Result<Self> {
        let name: ModelName = request.model.parse()?;
        let (head, input, classes) = (request.head.parse()?, request.input, request.classes);
        let config = ModelConfig { head, input, classes, ..name.config()? };
        let build = |parameters: &training::Parameters| name.architecture().build(&config, parameters.builder());
        let network = Timed::new(&Device::Cpu, &OptimizerConfig::adamw(), build)?;
        let (images, labels) = request.images()?;
        Ok(Self { network, images, labels })
    }

    fn step(&mut self, what: What) -> Result<f64> {
        match what {
            What::Train => self.network.train(&self.images, &self.labels),
            What::Infer => self.network.infer(&self.images),
        }
    }
}

/// The largest amount of memory the process held while it did this, in MB; none where the system does not tell.
pub fn memory_of_training(request: &Request) -> Result<Option<f64>> {
    let was_reset = fs::write("/proc/self/clear_refs", "5").is_ok();
    let pool = ThreadPoolBuilder::new().num_threads(request.threads).build()?;
    Here::default().time(request, &pool)?;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    Ok(peak.filter(|_| was_reset).map(|kib: f64| kib * 1024. / 1e6))
}
