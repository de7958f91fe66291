use anyhow::Result;
use candle_core::{Device, Tensor};
use models::{DEEP_CONV_DTI, DeepConvDti, DeepConvDtiConfig, ModelConfig, ModelName, Preset};
use ops::schedule::Schedule;
use rayon::ThreadPool;
use training::{OptimizerConfig, Parameters};

use crate::{
    energy::EnergyMeter,
    network::Network,
    protocol::{Request, Task, repeat},
};

/// One of this program's own networks, ready to execute a request.
pub struct OwnNetwork {
    task: Task,
    network: Network,
    inputs: Vec<Tensor>,
    targets: Tensor,
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
        if let Some(preset) = DEEP_CONV_DTI.iter().find(|preset| preset.name == request.model) {
            return Self::of_pairs(request, preset);
        }
        let name: ModelName = request.model.parse()?;
        let (head, input, classes) = (request.head.parse()?, request.input, request.classes);
        let config = ModelConfig { head, input, classes, ..name.config()? };
        let build = |parameters: &Parameters| name.architecture().build(&config, parameters.builder());
        let network = Network::new(&Device::Cpu, &OptimizerConfig::adamw(), build)?;
        let (images, targets) = request.images()?;
        Ok(Self { task: request.task, network, inputs: vec![images], targets })
    }

    fn of_pairs(request: &Request, preset: &Preset) -> Result<Self> {
        let [_, _, length] = request.input;
        let config = DeepConvDtiConfig { head: request.head.parse()?, length, ..(preset.config)() };
        let build = |parameters: &Parameters| DeepConvDti::new(&config, parameters.builder());
        let network = Network::new(&Device::Cpu, &OptimizerConfig::adam(), build)?;
        let (inputs, targets) = request.pairs(config.fingerprint_bits)?;
        Ok(Self { task: request.task, network, inputs, targets })
    }

    /// Warms up, then repeats the task on the threads of `pool`.
    ///
    /// # Errors
    /// Inputs that the network does not take.
    pub fn time(&mut self, pool: &ThreadPool, meter: Option<&EnergyMeter>) -> Result<BatchTime> {
        let Self { task, network, inputs, targets } = self;
        let (durations, joules) = pool.install(|| match task {
            Task::Train => {
                network.train(inputs, targets)?;
                repeat_metered(meter, || network.train(inputs, targets))
            }
            Task::Infer => {
                let mut inference = network.inference(inputs)?;
                repeat_metered(meter, || inference.run(inputs))
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
    /// Inputs that the network does not take.
    pub fn schedules(&mut self, pool: &ThreadPool, threads: usize, batches: usize) -> Result<Vec<Schedule>> {
        let Self { task, network, inputs, targets } = self;
        pool.install(|| match task {
            Task::Train => {
                network.train(inputs, targets)?;
                schedules(threads, batches, || network.train(inputs, targets))
            }
            Task::Infer => {
                let mut inference = network.inference(inputs)?;
                schedules(threads, batches, || inference.run(inputs))
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
