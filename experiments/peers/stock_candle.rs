//! The peer `stock-candle`: the zoo's networks on candle's own operators and optimiser, to compare speed only, as not all
//! of their gradients are correct. Two networks are left out, since a single round of them would take minutes: all-cnn-c, and
//! mobilenet-v1, whose depthwise convolutions candle computes group by group.

#[path = "../src/allocator.rs"]
mod allocator;

use std::time::Instant;

use anyhow::Result;
use candle_core::{D, DType, Device, Module, ModuleT, Tensor};
use candle_nn::{AdamW, Conv2dConfig, Optimizer, ParamsAdamW, VarBuilder, VarMap, batch_norm, conv2d, linear};
use timing::{Request, Task, repeat, serve};

fn main() -> Result<()> {
    allocator::keep_memory();
    serve("candle", env!("CANDLE_VERSION"), samples_per_sec)
}

fn samples_per_sec(request: &Request) -> Result<Option<f64>> {
    let Some(mut network) = StockNetwork::new(request)? else { return Ok(None) };
    network.step(request.task)?; // warms up
    let durations = repeat(|| network.step(request.task))?;
    Ok(Some(request.batch as f64 / durations[durations.len() / 2]))
}

type Layers = Vec<Box<dyn ModuleT>>;

struct StockNetwork {
    network: Layers,
    optimizer: AdamW,
    images: Tensor,
    labels: Tensor,
}

impl StockNetwork {
    fn new(request: &Request) -> Result<Option<Self>> {
        let variables = VarMap::new();
        let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
        let Some(network) = network(request, &vb)? else { return Ok(None) };
        let optimizer = AdamW::new(variables.all_vars(), ParamsAdamW { lr: 1e-12, ..ParamsAdamW::default() })?;
        let (images, labels) = request.images()?;
        Ok(Some(Self { network, optimizer, images, labels }))
    }

    /// Executes the task once and returns its duration in seconds.
    fn step(&mut self, task: Task) -> Result<f64> {
        let start = Instant::now();
        let train = task == Task::Train;
        let logits = run(&self.network, &self.images, train)?;
        if train {
            let loss = candle_nn::loss::cross_entropy(&logits, &self.labels)?;
            self.optimizer.backward_step(&loss)?;
        }
        Ok(start.elapsed().as_secs_f64())
    }
}

fn run(layers: &Layers, xs: &Tensor, train: bool) -> candle_core::Result<Tensor> {
    layers.iter().try_fold(xs.clone(), |xs, layer| layer.forward_t(&xs, train))
}

/// The layers of the requested network; `None` if this file does not define it.
fn network(request: &Request, vb: &VarBuilder) -> Result<Option<Layers>> {
    let [channels, height, width] = request.input;
    let mut stack = StockStack { layers: Vec::new(), shape: [channels, height, width], vb: vb.clone() };
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
        "resnet8" => {
            stack.conv(16, 3, 1)?.norm()?.relu();
            stack.block(16, 1, Shortcut::Projection)?.block(32, 2, Shortcut::Projection)?;
            stack.block(64, 2, Shortcut::Projection)?
        }
        "resnet20" => {
            stack.conv(16, 3, 1)?.norm()?.relu();
            for (channels, stride) in [(16, 1), (32, 2), (64, 2)] {
                stack.block(channels, stride, Shortcut::Padded)?;
                stack.block(channels, 1, Shortcut::Padded)?.block(channels, 1, Shortcut::Padded)?;
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

/// A residual block: `relu(body(x) + shortcut(x))`.
struct ResidualBlock {
    body: Layers,
    shortcut: Layers,
}

impl ModuleT for ResidualBlock {
    fn forward_t(&self, xs: &Tensor, train: bool) -> candle_core::Result<Tensor> {
        (run(&self.body, xs, train)? + run(&self.shortcut, xs, train)?)?.relu()
    }
}

/// The shortcut of a residual block that changes the shape.
enum Shortcut {
    /// A 1×1 convolution.
    Projection,
    /// Every second pixel, with channels of zeros (He et al. 2015, option A).
    Padded,
}

/// Builds a sequence of layers and tracks the shape (C, H, W) of their output.
struct StockStack<'a> {
    layers: Layers,
    shape: [usize; 3],
    vb: VarBuilder<'a>,
}

impl<'a> StockStack<'a> {
    fn push(&mut self, layer: impl Module + Send + Sync + 'static) -> &mut Self {
        self.layers.push(Box::new(layer));
        self
    }

    /// The path of the next layer's parameters.
    fn next_path(&self) -> VarBuilder<'a> {
        self.vb.pp(self.layers.len())
    }

    /// Adds a convolution of stride 1.
    fn conv(&mut self, channels: usize, kernel: usize, padding: usize) -> Result<&mut Self> {
        self.conv_with(channels, kernel, Conv2dConfig { padding, ..Default::default() })
    }

    fn conv_with(&mut self, channels: usize, kernel: usize, config: Conv2dConfig) -> Result<&mut Self> {
        let [inputs, height, width] = self.shape;
        let layer = conv2d(inputs, channels, kernel, config, self.next_path())?;
        let size = |size| (size + 2 * config.padding - kernel) / config.stride + 1;
        self.shape = [channels, size(height), size(width)];
        Ok(self.push(layer))
    }

    /// Adds a residual block. Its convolutions have biases also in ResNet-20, which has none; that costs next to nothing.
    fn block(&mut self, channels: usize, stride: usize, shape_change: Shortcut) -> Result<&mut Self> {
        let [mut body, mut shortcut] = ["body", "shortcut"].map(|branch| StockStack {
            layers: Vec::new(),
            shape: self.shape,
            vb: self.next_path().pp(branch),
        });
        let config = Conv2dConfig { stride, ..Default::default() };
        body.conv_with(channels, 3, Conv2dConfig { padding: 1, ..config })?.norm()?.relu();
        body.conv(channels, 3, 1)?.norm()?;
        match shape_change {
            _ if stride == 1 => {}
            Shortcut::Projection => {
                shortcut.conv_with(channels, 1, config)?;
            }
            Shortcut::Padded => {
                let missing = channels - self.shape[0];
                let [_, height, width] = self.shape;
                let every = |size: usize| Tensor::arange_step(0, size as u32, stride as u32, &Device::Cpu);
                let (rows, columns) = (every(height)?, every(width)?);
                shortcut.push(move |xs: &Tensor| {
                    let selected = xs.index_select(&rows, 2)?.index_select(&columns, 3)?;
                    selected.pad_with_zeros(1, missing / 2, missing - missing / 2)
                });
            }
        }
        self.shape = body.shape;
        self.layers.push(Box::new(ResidualBlock { body: body.layers, shortcut: shortcut.layers }));
        Ok(self)
    }

    fn norm(&mut self) -> Result<&mut Self> {
        let layer = batch_norm(self.shape[0], 1e-5, self.next_path())?;
        self.layers.push(Box::new(layer));
        Ok(self)
    }

    fn linear(&mut self, inputs: usize, outputs: usize) -> Result<&mut Self> {
        let layer = linear(inputs, outputs, self.next_path())?;
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
