use anyhow::Result;
use candle_core::Device;
use models::{ModelConfig, ModelName};
use ops::schedule::Schedule;
use rayon::ThreadPool;
use training::{Batch, OptimizerConfig};

use crate::{
    energy::EnergyMeter,
    network::Network,
    protocol::{Request, Task, repeat},
};

/// One of this program's own networks, ready to execute a request.
pub struct OwnNetwork {
    task: Task,
    network: Network,
    batch: Batch,
}

/// The time that one batch takes, in seconds.
pub struct BatchTime {
    /// The median.
    pub median: f64,
    /// The 95th percentile.
    pub p95: f64,
    /// The mean energy of one batch in joules; `None` if it was not measured.
    pub joules: Option<f64>,
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
        Ok(Self { task: request.task, network, batch: request.images()?.into() })
    }

    /// Warms up, then repeats the task on the threads of `pool`.
    ///
    /// # Errors
    /// Images that the network does not take.
    pub fn time(&mut self, pool: &ThreadPool, meter: Option<&EnergyMeter>) -> Result<BatchTime> {
        let Self { task, network, batch } = self;
        let (durations, joules) = pool.install(|| match task {
            Task::Train => {
                network.train(batch)?;
                repeat_metered(meter, || network.train(batch))
            }
            Task::Infer => {
                let mut inference = network.inference(&batch.inputs)?;
                repeat_metered(meter, || inference.run(&batch.inputs))
            }
        })?;
        let batches = durations.len();
        let p95 = durations[(batches * 95).div_ceil(100) - 1];
        let joules = joules.map(|joules| joules / batches as f64);
        Ok(BatchTime { median: durations[batches / 2], p95, joules })
    }

    /// Warms up, then executes some batches on the single thread of `pool`, with their work divided as for `threads` threads.
    ///
    /// # Errors
    /// Images that the network does not take.
    pub fn schedules(&mut self, pool: &ThreadPool, threads: usize, batches: usize) -> Result<Vec<Schedule>> {
        let Self { task, network, batch } = self;
        pool.install(|| match task {
            Task::Train => {
                network.train(batch)?;
                schedules(threads, batches, || network.train(batch))
            }
            Task::Infer => {
                let mut inference = network.inference(&batch.inputs)?;
                schedules(threads, batches, || inference.run(&batch.inputs))
            }
        })
    }
}

/// Records a step several times.
fn schedules(threads: usize, steps: usize, mut step: impl FnMut() -> Result<f64>) -> Result<Vec<Schedule>> {
    let record = |_| {
        let (duration, schedule) = Schedule::record(threads, &mut step);
        duration.map(|_| schedule)
    };
    (0..steps).map(record).collect()
}

/// Repeats a step, and returns the sorted durations and the energy of all steps together.
fn repeat_metered(meter: Option<&EnergyMeter>, step: impl FnMut() -> Result<f64>) -> Result<(Vec<f64>, Option<f64>)> {
    let (durations, joules) = match meter {
        Some(meter) => meter.measure(|| repeat(step)),
        None => (repeat(step), None),
    };
    Ok((durations?, joules))
}
