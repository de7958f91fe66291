//! Fusion: decides, once for each network, which modules one operator computes.
//!
//! | consecutive modules | computed by |
//! | --- | --- |
//! | convolution, ReLU, 2×2 max pooling | one operator, as far as the modules are there |
//! | convolution, batch normalisation, ReLU, 2×2 max pooling | in inference one operator, with the normalisation folded into the convolution; in evaluation one for the convolution, one for normalisation and ReLU, one for pooling |
//! | the same with a depthwise convolution | likewise, apart from the pooling |
//! | depthwise convolution, 1×1 convolution, any number of times, also after another convolution | in the prepared form one operator, each with its batch normalisation and ReLU |
//! | linear layer or batch normalisation, ReLU | one operator |
//! | flattening, linear layer, ReLU | in training one operator |
//! | 1-d convolution, ReLU, global max pooling | one operator for convolution and pooling, followed by the ReLU if it is there |
//! | such groups, and residual blocks whose body has convolutions with batch normalisation only and whose shortcut is the identity or a convolution | in training one operator for all that follow each other |
//!
//! Every other module, in particular one from another crate, is called as it is.

use std::sync::Arc;

use candle_core::{Result, Tensor};
use ops::{
    Epilogue, Window,
    prepared::{Chain, ConvLayer, Prepared, SeparableConvs},
};

use crate::{
    batch_norm::BatchNorm,
    conv1d::Conv1d,
    conv2d::Conv2d,
    depthwise_conv2d::DepthwiseConv2d,
    flatten::Flatten,
    fused_conv::{Convolution, FusedConv},
    global_pool::GlobalMaxPool,
    layer::{Layer, Mode},
    linear::Linear,
    pool2d::MaxPool2d,
    prepared::{image_shape, prepare_with},
    relu::Relu,
    residual::Residual,
    training_block::TrainingBlock,
};

/// A module of a sequence: one that may be fused, or any other.
#[derive(Clone)]
pub(crate) enum Module {
    Conv1d(Conv1d),
    Conv2d(Conv2d),
    DepthwiseConv2d(DepthwiseConv2d),
    Linear(Linear),
    BatchNorm(BatchNorm),
    Relu(Relu),
    MaxPool2d(MaxPool2d),
    GlobalMaxPool(GlobalMaxPool),
    Flatten(Flatten),
    Residual(Arc<Residual>),
    Other(Arc<dyn Layer>),
}

impl Module {
    /// Returns the module as a layer.
    pub fn layer(&self) -> &dyn Layer {
        match self {
            Module::Conv1d(layer) => layer,
            Module::Conv2d(layer) => layer,
            Module::DepthwiseConv2d(layer) => layer,
            Module::Linear(layer) => layer,
            Module::BatchNorm(layer) => layer,
            Module::Relu(layer) => layer,
            Module::MaxPool2d(layer) => layer,
            Module::GlobalMaxPool(layer) => layer,
            Module::Flatten(layer) => layer,
            Module::Residual(layer) => &**layer,
            Module::Other(layer) => &**layer,
        }
    }
}

/// The steps in which a sequence of modules is computed.
pub(crate) struct Steps {
    /// The steps of evaluation and inference.
    steps: Vec<Step>,
    training: Vec<TrainingStep>,
}

/// A step that computes one or more modules.
struct Step {
    /// The index of its first module.
    first: usize,
    operator: Operator,
}

enum Operator {
    Convolution(FusedConv),
    /// A 1-d convolution, and a global maximum if one follows it or the ReLU after it.
    Conv1d {
        conv: Conv1d,
        relu: bool,
        maximum: bool,
    },
    Linear {
        linear: Linear,
        relu: bool,
    },
    BatchNorm {
        norm: BatchNorm,
        relu: bool,
    },
    Module(Module),
}

enum TrainingStep {
    /// Consecutive blocks, computed by one operator.
    Blocks(Vec<TrainingBlock>),
    /// A flattening and a linear layer, followed by a ReLU if true, likewise.
    FlattenLinear(Linear, bool),
    /// The step of evaluation with this index.
    Step(usize),
}

impl Steps {
    /// Groups modules into steps.
    pub fn new<'a>(modules: impl IntoIterator<Item = &'a Module>) -> Self {
        let mut steps: Vec<Step> = Vec::new();
        for (first, module) in modules.into_iter().enumerate() {
            if !steps.last_mut().is_some_and(|step| step.operator.absorb(module)) {
                steps.push(Step { first, operator: Operator::new(module) });
            }
        }
        let mut training = Vec::new();
        for (i, step) in steps.iter().enumerate() {
            let follows_flatten = i > 0 && matches!(steps[i - 1].operator, Operator::Module(Module::Flatten(_)));
            match (step.operator.training_block(), training.last_mut(), &step.operator) {
                (Some(block), Some(TrainingStep::Blocks(blocks)), _) => TrainingBlock::append(blocks, block),
                (Some(block), ..) => training.push(TrainingStep::Blocks(vec![block])),
                (None, Some(flatten), Operator::Linear { linear, relu }) if follows_flatten => {
                    *flatten = TrainingStep::FlattenLinear(linear.clone(), *relu);
                }
                (None, ..) => training.push(TrainingStep::Step(i)),
            }
        }
        Self { steps, training }
    }

    /// Returns the form for training as the body of a residual block; `None` if it has anything but convolutions with batch
    /// normalisation.
    pub fn residual_block(&self) -> Option<TrainingBlock> {
        let [TrainingStep::Blocks(blocks)] = &self.training[..] else { return None };
        let [TrainingBlock::ConvBatchNorm(body)] = &blocks[..] else { return None };
        Some(TrainingBlock::Residual(body.clone(), None))
    }

    /// Returns the form for training as the body of a residual block with a projection as shortcut; `None` as for
    /// [`residual_block`](Self::residual_block), and if the projection is anything but a convolution.
    pub fn projected_residual_block(&self, projection: &Steps) -> Option<TrainingBlock> {
        let [Step { operator: Operator::Convolution(conv), .. }] = &projection.steps[..] else { return None };
        let projection = conv.alone().filter(|_| !conv.is_depthwise())?;
        let TrainingBlock::Residual(body, _) = self.residual_block()? else { return None };
        Some(TrainingBlock::Residual(body, Some(projection.clone())))
    }

    /// Groups the steps into the parts of the prepared form.
    pub fn prepared_parts(&self) -> Result<Vec<PreparedPart<'_>>> {
        let layers = self.steps.iter().map(Step::inference_layer).collect::<Result<Vec<_>>>()?;
        let (mut parts, mut next) = (Vec::new(), 0);
        while let Some(step) = self.steps.get(next) {
            let mut convolutions: Vec<_> = layers[next..].iter().map_while(Clone::clone).collect();
            convolutions.truncate(SeparableConvs::count(&convolutions));
            next += convolutions.len().max(1);
            parts.push(PreparedPart { step, convolutions });
        }
        Ok(parts)
    }

    /// Computes the sequence.
    pub fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        match mode {
            Mode::Train { .. } => self.training.iter().try_fold(xs.clone(), |xs, step| match step {
                TrainingStep::Blocks(blocks) => TrainingBlock::forward(&xs, blocks),
                TrainingStep::FlattenLinear(linear, relu) => linear.forward_flattened(&xs, mode, *relu),
                TrainingStep::Step(i) => self.steps[*i].operator.forward(&xs, mode),
            }),
            Mode::Eval | Mode::Inference => {
                self.steps.iter().try_fold(xs.clone(), |xs, step| step.operator.forward(&xs, mode))
            }
        }
    }
}

impl Step {
    /// Returns the form for an operator that computes several convolutions in inference; `None` for any other step.
    fn inference_layer(&self) -> Result<Option<ConvLayer>> {
        if let Operator::Convolution(conv) = &self.operator { conv.inference_layer() } else { Ok(None) }
    }

    /// Prepares the step for inputs of this shape.
    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        match &self.operator {
            Operator::Convolution(conv) => conv.prepare(input),
            Operator::Linear { linear, relu } => linear.prepare_with_relu(input, *relu),
            Operator::BatchNorm { norm, relu } => {
                let forward = |xs: &Tensor| norm.forward_with_relu(xs, Mode::Inference, *relu);
                Ok(prepare_with(input, input.iter().product(), forward))
            }
            Operator::Conv1d { conv, relu, maximum } => {
                let output = conv.describe(input)?.output;
                let mut parts = vec![conv.prepare(input)?];
                if *relu {
                    parts.push(Relu.prepare(&output)?);
                }
                if *maximum {
                    parts.push(GlobalMaxPool.prepare(&output)?);
                }
                Ok(Box::new(Chain::new(parts)?))
            }
            Operator::Module(module) => module.layer().prepare(input),
        }
    }
}

/// A step of the prepared form, or several that one operator computes.
pub(crate) struct PreparedPart<'a> {
    /// The first step.
    step: &'a Step,
    /// The convolutions of all steps, if there are several.
    convolutions: Vec<ConvLayer>,
}

impl<'a> PreparedPart<'a> {
    /// Returns the index of the first module.
    pub fn first(&self) -> usize {
        self.step.first
    }

    /// Prepares the part for inputs of this shape.
    pub fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + 'a>> {
        if self.convolutions.is_empty() {
            return self.step.prepare(input);
        }
        Ok(Box::new(SeparableConvs::new(&self.convolutions, image_shape(input)?)?))
    }
}

impl Operator {
    fn new(module: &Module) -> Self {
        match module {
            Module::Conv1d(conv) => Self::Conv1d { conv: conv.clone(), relu: false, maximum: false },
            Module::Conv2d(conv) => Self::Convolution(Convolution::from(conv).into()),
            Module::DepthwiseConv2d(conv) => Self::Convolution(Convolution::from(conv).into()),
            Module::Linear(linear) => Self::Linear { linear: linear.clone(), relu: false },
            Module::BatchNorm(norm) => Self::BatchNorm { norm: norm.clone(), relu: false },
            Module::Relu(_)
            | Module::MaxPool2d(_)
            | Module::GlobalMaxPool(_)
            | Module::Flatten(_)
            | Module::Residual(_)
            | Module::Other(_) => Self::Module(module.clone()),
        }
    }

    /// Takes over the next module if one operator can compute both, and returns whether it does.
    fn absorb(&mut self, next: &Module) -> bool {
        match (self, next) {
            (Self::Convolution(conv), Module::BatchNorm(norm)) if conv.alone().is_some() => {
                conv.norm = Some(norm.clone());
            }
            (Self::Convolution(conv), Module::Relu(_)) if conv.epilogue == Epilogue::None || conv.is_depthwise() => {
                conv.epilogue = Epilogue::Relu;
            }
            (Self::Convolution(conv), Module::MaxPool2d(MaxPool2d(window)))
                if conv.epilogue == Epilogue::Relu && !conv.is_depthwise() && *window == Window::pool(2) =>
            {
                conv.epilogue = Epilogue::ReluMaxPool;
            }
            (Self::Conv1d { relu, maximum: false, .. }, Module::Relu(_)) => *relu = true,
            (Self::Conv1d { maximum, .. }, Module::GlobalMaxPool(_)) if !*maximum => *maximum = true,
            (Self::Linear { relu, .. } | Self::BatchNorm { relu, .. }, Module::Relu(_)) => *relu = true,
            _ => return false,
        }
        true
    }

    fn training_block(&self) -> Option<TrainingBlock> {
        match self {
            Self::Convolution(conv) => TrainingBlock::new(conv),
            Self::Module(Module::Residual(residual)) => residual.fused.clone(),
            _ => None,
        }
    }

    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        match self {
            Self::Convolution(conv) => conv.forward(xs, mode),
            Self::Conv1d { conv, relu, maximum } => {
                // ReLU increases, so it may follow the maximum.
                let ys = conv.forward_or_maximum(xs, mode, *maximum)?;
                if *relu { ops::relu(&ys) } else { Ok(ys) }
            }
            Self::Linear { linear, relu } => linear.forward_with_relu(xs, mode, *relu),
            Self::BatchNorm { norm, relu } => norm.forward_with_relu(xs, mode, *relu),
            Self::Module(module) => module.layer().forward(xs, mode),
        }
    }
}
