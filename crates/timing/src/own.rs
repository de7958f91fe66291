use anyhow::Result;
use candle_core::{Device, Tensor};
use models::{ModelConfig, ModelName};
use rayon::ThreadPool;
use training::OptimizerConfig;

use crate::{
    network::Network,
    protocol::{Request, Task, repeat},
};

/// One of this program's own networks, ready to execute a request.
pub struct OwnNetwork {
    task: Task,
    network: Network,
    images: Tensor,
    labels: Tensor,
}

/// The time that one batch takes, in seconds.
pub struct BatchTime {
    /// The median.
    pub median: f64,
    /// The 95th percentile.
    pub p95: f64,
}

impl OwnNetwork {
    /// Builds the requested network.
    ///
    /// # Errors
    /// A network that is not in the zoo or cannot be built, and a batch that does not fit into memory.
    pub fn new(request: &Request) -> Result<Self> {
        let name: ModelName = request.model.parse()?;
        let (head, input, classes) = (request.head.parse()?, request.input, request.classes);
        let config = ModelConfig { head, input, classes, ..name.config()? };
        let build = |parameters: &training::Parameters| name.architecture().build(&config, parameters.builder());
        let network = Network::new(&Device::Cpu, &OptimizerConfig::adamw(), build)?;
        let (images, labels) = request.images()?;
        Ok(Self { task: request.task, network, images, labels })
    }

    /// Warms up, then repeats the task on the threads of `pool`.
    ///
    /// # Errors
    /// Images that the network does not take.
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
