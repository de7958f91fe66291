//! Times the networks of `experiments bench` in Burn, on its CPU backend. ../README.md describes the protocol.

mod network;

use std::{
    collections::HashMap,
    io::BufRead,
    time::{Duration, Instant},
};

use burn::{
    nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig},
    optim::{AdamWConfig, GradientsParams, ModuleOptimizer},
    tensor::{Device, Distribution, Int, Tensor},
};
use network::Network;
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::Deserialize;
use serde_json::json;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The version of the crate `burn`, which Cargo.toml pins.
const VERSION: &str = "0.22.1";
/// How long a task is repeated for one answer.
const ANSWER_TIME: Duration = Duration::from_millis(400);

/// A network and a task.
#[derive(Deserialize)]
pub struct Request {
    model: String,
    head: String,
    input: [usize; 3],
    classes: usize,
    #[serde(rename = "what")]
    task: Task,
    batch: usize,
    threads: usize,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Task {
    Train,
    Infer,
}

/// A network with its optimiser and images.
struct TimedNetwork {
    /// `None` only during a training step.
    network: Option<Network>,
    optimizer: ModuleOptimizer,
    loss: CrossEntropyLoss,
    images: Tensor<4>,
    labels: Tensor<1, Int>,
    device: Device,
    task: Task,
}

impl TimedNetwork {
    fn new(request: &Request) -> Result<Self, String> {
        let device = match request.task {
            Task::Train => Device::flex().autodiff(),
            Task::Infer => Device::flex(),
        };
        let network = Network::new(request, &device)?;
        let [channels, height, width] = request.input;
        let shape = [request.batch, channels, height, width];
        Ok(Self {
            network: Some(network),
            optimizer: AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(0.01).init(),
            loss: CrossEntropyLossConfig::new().init(&device),
            images: Tensor::random(shape, Distribution::Normal(0., 1.), &device),
            labels: Tensor::arange(0..request.batch as i64, &device).remainder_scalar(request.classes as i64),
            device,
            task: request.task,
        })
    }

    fn step(&mut self) {
        let Some(network) = self.network.take() else { return };
        let logits = network.forward(self.images.clone());
        self.network = Some(match self.task {
            Task::Infer => network,
            Task::Train => {
                let loss = self.loss.forward(logits, self.labels.clone());
                let gradients = GradientsParams::from_grads(loss.backward(), &network);
                // The learning rate is so small that the weights do not change.
                self.optimizer.step(1e-12, network, gradients)
            }
        });
    }

    /// Repeats the task and returns the median time of one batch in seconds.
    fn time(&mut self) -> Result<f64, String> {
        let (mut durations, start) = (Vec::new(), Instant::now());
        while durations.is_empty() || start.elapsed() < ANSWER_TIME {
            let start = Instant::now();
            self.step();
            self.device.sync().map_err(|error| format!("{error:?}"))?;
            durations.push(start.elapsed().as_secs_f64());
        }
        durations.sort_unstable_by(f64::total_cmp);
        Ok(durations[durations.len() / 2])
    }
}

/// The networks of earlier requests, warmed up, each with its threads.
type Networks = HashMap<String, (ThreadPool, TimedNetwork)>;

fn samples_per_sec(line: &str, networks: &mut Networks) -> Result<f64, String> {
    let request: Request = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if !networks.contains_key(line) {
        let pool = ThreadPoolBuilder::new().num_threads(request.threads).build().map_err(|error| error.to_string())?;
        let mut network = TimedNetwork::new(&request)?;
        pool.install(|| (0..3).for_each(|_| network.step())); // warms up
        networks.insert(line.into(), (pool, network));
    }
    let (pool, network) = networks.get_mut(line).ok_or("the network was not kept")?;
    Ok(request.batch as f64 / pool.install(|| network.time())?)
}

fn main() {
    println!("{}", json!({ "name": "Burn flex", "version": VERSION }));
    let mut networks = Networks::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let answer = match samples_per_sec(&line, &mut networks) {
            Ok(rate) => json!({ "samples_per_sec": rate }),
            Err(error) => json!({ "error": error }),
        };
        println!("{answer}");
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Module;

    use super::*;

    #[test]
    fn the_networks_have_as_many_parameters_as_those_they_are_compared_with() {
        // The counts of `experiments summary MODEL --head HEAD --input CxHxW`, including running statistics.
        for (model, head, input, classes, params) in [
            ("two-conv", "fc:128", [1, 28, 28], 10, 225_034),
            ("two-conv", "gmp", [1, 28, 28], 10, 19_466),
            ("lenet5", "fc:120,84", [1, 28, 28], 10, 61_706),
            ("resnet8", "gap-fc", [3, 32, 32], 10, 78_666),
            ("resnet20", "gap-fc", [3, 32, 32], 10, 271_098),
            ("vgg-small", "gap-fc", [3, 32, 32], 10, 289_642),
            ("all-cnn-c", "gap", [3, 32, 32], 10, 1_369_738),
            ("mobilenet-v1@0.25", "gap-fc", [3, 96, 96], 2, 219_058),
        ] {
            let [model, head] = [model, head].map(String::from);
            let request = Request { model, head, input, classes, task: Task::Infer, batch: 2, threads: 1 };
            let timed = TimedNetwork::new(&request).unwrap();
            let network = timed.network.unwrap();
            assert_eq!(network.num_params(), params, "{} {}", request.model, request.head);
            assert_eq!(network.forward(timed.images).dims(), [2, classes]);
        }
    }
}
