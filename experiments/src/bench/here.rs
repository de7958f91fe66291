use std::{collections::HashMap, fs};

use anyhow::{Context, Result};
use candle_core::{Device, Tensor};
use models::ModelName;
use rayon::ThreadPool;
use training::OptimizerConfig;

use super::{Contestant, Request, What, for_a_moment};
use crate::{
    machine::Versions,
    speed::{Timed, median_and_spread},
};

/// This program's own networks.
#[derive(Default)]
pub struct Here {
    pools: HashMap<usize, ThreadPool>,
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
    pub p95: f64,
}

impl Here {
    pub fn time(&mut self, request: &Request) -> Result<Timing> {
        let pool = match self.pools.entry(request.threads) {
            std::collections::hash_map::Entry::Occupied(pool) => pool.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => place.insert(
                rayon::ThreadPoolBuilder::new().num_threads(request.threads).build().context("starting threads")?,
            ),
        };
        let key = serde_json::to_string(&request)?;
        let mut subject = match self.subjects.remove(&key) {
            Some(subject) => subject,
            None => Subject::new(request)?,
        };
        let mut durations = pool.install(|| for_a_moment(|| subject.step(request.what)))?;
        self.subjects.insert(key, subject);
        durations.sort_unstable_by(f64::total_cmp);
        let p95 = durations[(durations.len() * 95).div_ceil(100) - 1];
        Ok(Timing { median: median_and_spread(durations).median, p95 })
    }
}

impl Contestant for Here {
    fn name(&self) -> String {
        format!("experiments {}", Versions::current().experiments)
    }

    fn samples_per_sec(&mut self, request: &Request) -> Result<Option<f64>> {
        Ok(Some(request.batch as f64 / self.time(request)?.median))
    }
}

impl Subject {
    fn new(request: &Request) -> Result<Self> {
        let name: ModelName = request.model.parse()?;
        let config = models::ModelConfig {
            head: request.head.parse()?,
            input: request.input,
            classes: request.classes,
            ..name.config()?
        };
        let network = Timed::new(&Device::Cpu, &OptimizerConfig::adamw(), |parameters| {
            name.architecture().build(&config, parameters.builder())
        })?;
        let (images, labels) = request.images()?;
        let mut subject = Self { network, images, labels };
        subject.step(request.what)?; // to warm up
        Ok(subject)
    }

    fn step(&mut self, what: What) -> Result<f64> {
        match what {
            What::Train => self.network.train(&self.images, &self.labels),
            What::Infer => self.network.infer(&self.images),
        }
    }
}

/// Runs `f` and gives the largest amount of memory the process held meanwhile, in MB; none where the system does not
/// tell.
pub fn memory_of<T>(f: impl FnOnce() -> Result<T>) -> Result<(T, Option<f64>)> {
    let reset = fs::write("/proc/self/clear_refs", "5").is_ok();
    let value = f()?;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    Ok((value, peak.filter(|_| reset).map(|kib| kib * 1024. / 1e6)))
}
