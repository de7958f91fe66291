use std::time::Instant;

use anyhow::Result;
use candle_core::{D, DType, Device, Module, ModuleT, Tensor};
use candle_nn::{AdamW, Conv2dConfig, Optimizer, ParamsAdamW, VarBuilder, VarMap, batch_norm, conv2d, linear};

use super::{Contestant, Request, What, for_a_moment};
use crate::machine::Versions;

/// Candle's own operators and optimiser, on the networks without residuals: how fast they are, not how right.
pub struct Stock;

struct Subject {
    network: Vec<Box<dyn ModuleT>>,
    optimizer: AdamW,
    images: Tensor,
    labels: Tensor,
}

impl Contestant for Stock {
    fn name(&self) -> String {
        format!("candle {}", Versions::current().candle)
    }

    fn samples_per_sec(&mut self, request: &Request) -> Result<Option<f64>> {
        let Some(mut subject) = Subject::new(request)? else { return Ok(None) };
        subject.step(request.what)?; // to warm up
        let durations = for_a_moment(|| subject.step(request.what))?;
        Ok(Some(request.batch as f64 / durations[durations.len() / 2]))
    }
}

impl Subject {
    fn new(request: &Request) -> Result<Option<Self>> {
        let variables = VarMap::new();
        let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
        let Some(network) = network(request, &vb)? else { return Ok(None) };
        let optimizer = AdamW::new(variables.all_vars(), ParamsAdamW { lr: 1e-12, ..ParamsAdamW::default() })?;
        let (images, labels) = request.images()?;
        Ok(Some(Self { network, optimizer, images, labels }))
    }

    /// Seconds.
    fn step(&mut self, what: What) -> Result<f64> {
        let start = Instant::now();
        let train = what == What::Train;
        let logits = self.network.iter().try_fold(self.images.clone(), |xs, layer| layer.forward_t(&xs, train))?;
        if train {
            let loss = candle_nn::loss::cross_entropy(&logits, &self.labels)?;
            self.optimizer.backward_step(&loss)?;
        }
        Ok(start.elapsed().as_secs_f64())
    }
}

/// The layers, or none for a network that is not written down here.
fn network(request: &Request, vb: &VarBuilder) -> Result<Option<Vec<Box<dyn ModuleT>>>> {
    let [channels, height, width] = request.input;
    let mut stack = Stack { layers: Vec::new(), shape: [channels, height, width], vb: vb.clone() };
    match request.model.as_str() {
        "two-conv" => stack.conv(32, 3, 0)?.relu().pool().conv(64, 3, 0)?.relu().pool(),
        "lenet5" => stack.conv(6, 5, 2)?.relu().pool().conv(16, 5, 0)?.relu().pool(),
        "vgg-small" => {
            for (i, channels) in [32, 64, 128].into_iter().enumerate() {
                stack.conv(channels, 3, 1)?.norm()?.relu().conv(channels, 3, 1)?.norm()?.relu();
                if i < 2 {
                    stack.pool();
                }
            }
            &mut stack
        }
        _ => return Ok(None),
    };
    match request.head.split_once(':') {
        None if request.head == "gmp" => {
            stack.conv(request.classes, 1, 0)?;
            stack.push(|xs: &Tensor| xs.flatten_from(2)?.max(D::Minus1));
        }
        None if request.head == "gap-fc" => {
            stack.push(|xs: &Tensor| xs.flatten_from(2)?.mean(D::Minus1));
            let channels = stack.shape[0];
            stack.linear(channels, request.classes)?;
        }
        Some(("fc", hidden)) => {
            stack.push(|xs: &Tensor| xs.flatten_from(1));
            let mut inputs = stack.shape.iter().product();
            for outputs in hidden.split(',').filter_map(|outputs| outputs.parse().ok()) {
                stack.linear(inputs, outputs)?.relu();
                inputs = outputs;
            }
            stack.linear(inputs, request.classes)?;
        }
        _ => return Ok(None),
    }
    Ok(Some(stack.layers))
}

struct Stack<'a> {
    layers: Vec<Box<dyn ModuleT>>,
    shape: [usize; 3],
    vb: VarBuilder<'a>,
}

impl Stack<'_> {
    fn push(&mut self, layer: impl Module + Send + Sync + 'static) -> &mut Self {
        self.layers.push(Box::new(layer));
        self
    }

    fn next(&self) -> VarBuilder<'_> {
        self.vb.pp(self.layers.len())
    }

    fn conv(&mut self, channels: usize, kernel: usize, padding: usize) -> Result<&mut Self> {
        let [inputs, height, width] = self.shape;
        let layer = conv2d(inputs, channels, kernel, Conv2dConfig { padding, ..Default::default() }, self.next())?;
        self.shape = [channels, height + 2 * padding + 1 - kernel, width + 2 * padding + 1 - kernel];
        Ok(self.push(layer))
    }

    fn norm(&mut self) -> Result<&mut Self> {
        let layer = batch_norm(self.shape[0], 1e-5, self.next())?;
        self.layers.push(Box::new(layer));
        Ok(self)
    }

    fn linear(&mut self, inputs: usize, outputs: usize) -> Result<&mut Self> {
        let layer = linear(inputs, outputs, self.next())?;
        Ok(self.push(layer))
    }

    fn relu(&mut self) -> &mut Self {
        self.push(Tensor::relu)
    }

    fn pool(&mut self) -> &mut Self {
        let [channels, height, width] = self.shape;
        self.shape = [channels, height / 2, width / 2];
        self.push(|xs: &Tensor| xs.max_pool2d(2))
    }
}
