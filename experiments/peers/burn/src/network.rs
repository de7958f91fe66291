//! The networks, built from Burn's own layers.

use burn::{
    module::Module,
    nn::{
        BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig, PaddingConfig2d, Relu,
        conv::{Conv2d, Conv2dConfig},
        pool::{MaxPool2d, MaxPool2dConfig},
    },
    tensor::{Device, Tensor, ops::PadMode, s},
};

use crate::Request;

/// A backbone with a head.
#[derive(Module, Debug)]
pub struct Network {
    features: Vec<Layer>,
    #[module(skip)]
    reduction: Reduction,
    classifier: Vec<Linear>,
}

#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a network has few layers, and a module cannot be boxed")]
enum Layer {
    Conv(Conv2d),
    Norm(BatchNorm),
    Relu(Relu),
    Pool(MaxPool2d),
    Dropout(Dropout),
    Residual(ResidualBlock),
}

#[derive(Module, Debug)]
struct ResidualBlock {
    first: Conv2d,
    first_norm: BatchNorm,
    second: Conv2d,
    second_norm: BatchNorm,
    projection: Option<Conv2d>,
    /// The channels of zeros before and after those of a shortcut that has no parameters and takes every second pixel.
    #[module(skip)]
    padding: Option<(usize, usize)>,
}

/// The shortcut of a residual block that changes the shape.
#[derive(Clone, Copy, PartialEq)]
enum Shortcut {
    /// A 1×1 convolution.
    Projection,
    /// Every second pixel, with channels of zeros (He et al. 2015, option A).
    Padded,
}

/// How a feature map becomes a vector.
#[derive(Clone, Debug)]
enum Reduction {
    Flatten,
    Average,
    Maximum,
}

impl Network {
    /// Builds the requested model with its head.
    ///
    /// # Errors
    /// A model or head that this peer does not have.
    pub fn new(request: &Request, device: &Device) -> Result<Self, String> {
        let mut stack = LayerStack { layers: Vec::new(), shape: request.input, device };
        let (name, width) = request.model.split_once('@').unwrap_or((&request.model, "1"));
        let factor: f64 = width.parse().map_err(|_| format!("the width `{width}` is not a number"))?;
        let scaled = |channels: usize| ((channels as f64 * factor).round_ties_even() as usize).max(1);
        match name {
            "two-conv" => stack.conv(scaled(32), 3, 1, 0).relu().pool().conv(scaled(64), 3, 1, 0).relu().pool(),
            "lenet5" => stack.conv(scaled(6), 5, 1, 2).relu().pool().conv(scaled(16), 5, 1, 0).relu().pool(),
            "vgg-small" => stack
                .conv_norm_relu(scaled(32), 3, 1, 1)
                .conv_norm_relu(scaled(32), 3, 1, 1)
                .pool()
                .conv_norm_relu(scaled(64), 3, 1, 1)
                .conv_norm_relu(scaled(64), 3, 1, 1)
                .pool()
                .conv_norm_relu(scaled(128), 3, 1, 1)
                .conv_norm_relu(scaled(128), 3, 1, 1),
            "all-cnn-c" => {
                for channels in [96, 192].map(scaled) {
                    stack.conv(channels, 3, 1, 1).relu().conv(channels, 3, 1, 1).relu();
                    stack.conv(channels, 3, 2, 1).relu().dropout(0.5);
                }
                stack.conv(scaled(192), 3, 1, 0).relu().conv(scaled(192), 1, 1, 0).relu()
            }
            "resnet8" | "resnet20" => {
                let (blocks, shortcut) =
                    if name == "resnet8" { (1, Shortcut::Projection) } else { (3, Shortcut::Padded) };
                stack.conv_with(scaled(16), 3, 1, 1, shortcut == Shortcut::Projection).norm().relu();
                for (channels, stride) in [(16, 1), (32, 2), (64, 2)] {
                    stack.residual(scaled(channels), stride, shortcut);
                    for _ in 1..blocks {
                        stack.residual(scaled(channels), 1, shortcut);
                    }
                }
                &mut stack
            }
            "mobilenet-v1" => {
                const BLOCKS: [(usize, usize); 13] = [
                    (64, 1),
                    (128, 2),
                    (128, 1),
                    (256, 2),
                    (256, 1),
                    (512, 2),
                    (512, 1),
                    (512, 1),
                    (512, 1),
                    (512, 1),
                    (512, 1),
                    (1024, 2),
                    (1024, 1),
                ];
                stack.conv_norm_relu(scaled(32), 3, 2, 1);
                for (channels, stride) in BLOCKS {
                    stack.depthwise(stride).norm().relu().conv_norm_relu(scaled(channels), 1, 1, 0);
                }
                &mut stack
            }
            _ => return Err(format!("this peer does not have the model {name}")),
        };
        stack.with_head(&request.head, request.classes)
    }

    /// Computes the logits (N, K) of images (N, C, H, W).
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let features = self.features.iter().fold(images, |xs, layer| layer.forward(xs));
        let vector = match self.reduction {
            Reduction::Flatten => features.flatten(1, 3),
            Reduction::Average => features.flatten::<3>(2, 3).mean_dim(2).squeeze_dim(2),
            Reduction::Maximum => features.flatten::<3>(2, 3).max_dim(2).squeeze_dim(2),
        };
        let layers = self.classifier.iter().enumerate();
        layers.fold(vector, |xs, (i, layer)| layer.forward(if i > 0 { burn::tensor::activation::relu(xs) } else { xs }))
    }
}

impl Layer {
    fn forward(&self, xs: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Conv(conv) => conv.forward(xs),
            Self::Norm(norm) => norm.forward(xs),
            Self::Relu(relu) => relu.forward(xs),
            Self::Pool(pool) => pool.forward(xs),
            Self::Dropout(dropout) => dropout.forward(xs),
            Self::Residual(block) => block.forward(xs),
        }
    }
}

impl ResidualBlock {
    fn forward(&self, xs: Tensor<4>) -> Tensor<4> {
        let relu = burn::tensor::activation::relu::<4>;
        let inner = relu(self.first_norm.forward(self.first.forward(xs.clone())));
        let inner = self.second_norm.forward(self.second.forward(inner));
        let around = match (&self.projection, self.padding) {
            (Some(conv), _) => conv.forward(xs),
            (None, Some(channels)) => {
                xs.slice(s![.., .., ..;2, ..;2]).pad([channels, (0, 0), (0, 0)], PadMode::Constant(0.))
            }
            (None, None) => xs,
        };
        relu(inner + around)
    }
}

/// Builds a sequence of layers and tracks the shape of their output.
struct LayerStack<'a> {
    layers: Vec<Layer>,
    /// The shape of the output (C, H, W).
    shape: [usize; 3],
    device: &'a Device,
}

impl LayerStack<'_> {
    fn push(&mut self, layer: Layer) -> &mut Self {
        self.layers.push(layer);
        self
    }

    fn convolution(&mut self, channels: usize, kernel: usize, stride: usize, padding: usize) -> Conv2dConfig {
        let [inputs, height, width] = self.shape;
        self.shape = [channels, height, width].map(|size| (size + 2 * padding - kernel) / stride + 1);
        self.shape[0] = channels;
        Conv2dConfig::new([inputs, channels], [kernel, kernel])
            .with_stride([stride, stride])
            .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
    }

    fn conv(&mut self, channels: usize, kernel: usize, stride: usize, padding: usize) -> &mut Self {
        self.conv_with(channels, kernel, stride, padding, true)
    }

    fn conv_with(&mut self, channels: usize, kernel: usize, stride: usize, padding: usize, bias: bool) -> &mut Self {
        let conv = self.convolution(channels, kernel, stride, padding).with_bias(bias).init(self.device);
        self.push(Layer::Conv(conv))
    }

    fn conv_norm_relu(&mut self, channels: usize, kernel: usize, stride: usize, padding: usize) -> &mut Self {
        self.conv_with(channels, kernel, stride, padding, false).norm().relu()
    }

    fn depthwise(&mut self, stride: usize) -> &mut Self {
        let channels = self.shape[0];
        let conv = self.convolution(channels, 3, stride, 1).with_groups(channels).with_bias(false);
        let conv = conv.init(self.device);
        self.push(Layer::Conv(conv))
    }

    fn norm(&mut self) -> &mut Self {
        let norm = BatchNormConfig::new(self.shape[0]).init(self.device);
        self.push(Layer::Norm(norm))
    }

    fn relu(&mut self) -> &mut Self {
        self.push(Layer::Relu(Relu::new()))
    }

    fn pool(&mut self) -> &mut Self {
        let [channels, height, width] = self.shape;
        self.shape = [channels, height / 2, width / 2];
        self.push(Layer::Pool(MaxPool2dConfig::new([2, 2]).init()))
    }

    fn dropout(&mut self, rate: f64) -> &mut Self {
        self.push(Layer::Dropout(DropoutConfig::new(rate).init()))
    }

    /// Adds a residual block, whose convolutions have biases where shortcuts are projections.
    fn residual(&mut self, channels: usize, stride: usize, shortcut: Shortcut) -> &mut Self {
        let (before, projects, changes) = (self.shape, shortcut == Shortcut::Projection, stride > 1);
        let projection = (changes && projects).then(|| self.convolution(channels, 1, stride, 0).init(self.device));
        let missing = channels - before[0];
        let padding = (changes && !projects).then_some((missing / 2, missing - missing / 2));
        self.shape = before;
        let norm = || BatchNormConfig::new(channels).init(self.device);
        let (first_norm, second_norm) = (norm(), norm());
        let first = self.convolution(channels, 3, stride, 1).with_bias(projects).init(self.device);
        let second = self.convolution(channels, 3, 1, 1).with_bias(projects).init(self.device);
        self.push(Layer::Residual(ResidualBlock { first, first_norm, second, second_norm, projection, padding }))
    }

    fn with_head(mut self, head: &str, classes: usize) -> Result<Network, String> {
        let (kind, hidden) = head.split_once(':').unwrap_or((head, ""));
        let (reduction, widths) = match (kind, hidden) {
            ("fc", _) => {
                let widths: Result<Vec<usize>, _> = hidden.split_terminator(',').map(str::parse).collect();
                (Reduction::Flatten, widths.map_err(|_| format!("this peer does not have the head {head}"))?)
            }
            ("gap" | "gap-fc", "") => (Reduction::Average, Vec::new()),
            ("gmp" | "gmp-fc", "") => (Reduction::Maximum, Vec::new()),
            _ => return Err(format!("this peer does not have the head {head}")),
        };
        let mut classifier = Vec::new();
        if matches!(kind, "gap" | "gmp") {
            self.conv(classes, 1, 1, 0);
        } else {
            let mut inputs = if kind == "fc" { self.shape.iter().product() } else { self.shape[0] };
            for outputs in widths.into_iter().chain([classes]) {
                classifier.push(LinearConfig::new(inputs, outputs).init(self.device));
                inputs = outputs;
            }
        }
        Ok(Network { features: self.layers, reduction, classifier })
    }
}
