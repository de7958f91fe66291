use candle_core::{Result, Tensor, bail};
use ops::{
    BatchStatistics, ConvBatchNorm, Epilogue, Projection, SequenceConv, Window,
    prepared::{self, ConvLayer, Prepared},
};

use crate::{
    batch_norm::BatchNorm, conv2d::Conv2d, depthwise_conv2d::DepthwiseConv2d, layer::Mode, prepared::image_shape,
};

/// A 2-d convolution, depthwise or not.
#[derive(Clone)]
pub(crate) struct Convolution {
    weight: Tensor,
    bias: Option<Tensor>,
    window: Window,
    depthwise: bool,
}

impl From<&Conv2d> for Convolution {
    fn from(conv: &Conv2d) -> Self {
        let (weight, bias, window) = (conv.weight().clone(), conv.bias().cloned(), *conv.window());
        Self { weight, bias, window, depthwise: false }
    }
}

impl From<&DepthwiseConv2d> for Convolution {
    fn from(conv: &DepthwiseConv2d) -> Self {
        let (weight, bias, window) = (conv.weight().clone(), conv.bias().cloned(), *conv.window());
        Self { weight, bias, window, depthwise: true }
    }
}

impl Convolution {
    /// Convolves with the given parameters, which are the layer's as the mode sees them.
    fn apply(&self, xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, epilogue: Epilogue) -> Result<Tensor> {
        let (window, config) = (&self.window, &self.window.into());
        match (self.depthwise, epilogue) {
            (false, Epilogue::None) => ops::conv2d(xs, weight, bias, config),
            (false, Epilogue::Relu) => ops::conv2d_relu(xs, weight, bias, config),
            (false, Epilogue::ReluMaxPool) => ops::conv2d_relu_max_pool(xs, weight, bias, config),
            (true, Epilogue::None) => ops::depthwise_conv2d(xs, weight, bias, window),
            (true, Epilogue::Relu) => ops::depthwise_conv2d_relu(xs, weight, bias, window),
            (depthwise, other) => bail!("internal: no operator for {other:?} with depthwise = {depthwise}"),
        }
    }
}

/// A convolution with the modules after it that are computed with it: batch normalisation, ReLU and 2×2 max pooling, as
/// far as they are there.
#[derive(Clone)]
pub(crate) struct FusedConv {
    pub convolution: Convolution,
    pub norm: Option<BatchNorm>,
    pub epilogue: Epilogue,
}

impl From<Convolution> for FusedConv {
    fn from(convolution: Convolution) -> Self {
        Self { convolution, norm: None, epilogue: Epilogue::None }
    }
}

impl FusedConv {
    /// Returns whether the convolution is depthwise.
    pub fn is_depthwise(&self) -> bool {
        self.convolution.depthwise
    }

    /// Returns the convolution if nothing else is computed with it.
    pub fn alone(&self) -> Option<&Convolution> {
        (self.norm.is_none() && self.epilogue == Epilogue::None).then_some(&self.convolution)
    }

    /// Computes the convolution and the modules after it.
    pub fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        let Convolution { weight, bias, .. } = &self.convolution;
        match (&self.norm, mode) {
            (_, Mode::Inference) => {
                let (weight, bias) = self.inference_parameters()?;
                self.convolution.apply(xs, &weight, bias.as_ref(), self.epilogue)
            }
            (None, _) => self.convolution.apply(xs, weight, bias.as_ref(), self.epilogue),
            // Folding detaches the parameters, and in evaluation they have gradients.
            (Some(norm), _) => {
                let ys = self.convolution.apply(xs, weight, bias.as_ref(), Epilogue::None)?;
                let ys = norm.forward_with_relu(&ys, mode, self.epilogue != Epilogue::None)?;
                if self.epilogue == Epilogue::ReluMaxPool { ops::max_pool2d(&ys, &Window::pool(2)) } else { Ok(ys) }
            }
        }
    }

    /// Returns the form for an operator that computes several convolutions in training; `None` if the convolution is depthwise
    /// or has batch normalisation.
    pub fn sequence_conv(&self) -> Option<SequenceConv<'_>> {
        let Self { convolution: Convolution { weight, bias, window, depthwise }, norm, epilogue } = self;
        let conv = SequenceConv { weight, bias: bias.as_ref(), window: *window, epilogue: *epilogue };
        (norm.is_none() && !depthwise).then_some(conv)
    }

    /// Prepares the convolution and the modules after it for inputs of this shape.
    pub fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        let (weight, bias) = self.inference_parameters()?;
        let (bias, window, input) = (bias.as_ref(), &self.convolution.window, image_shape(input)?);
        if self.convolution.depthwise {
            let relu = self.epilogue == Epilogue::Relu;
            Ok(Box::new(prepared::DepthwiseConv2d::new(&weight, bias, window, relu, input)?))
        } else {
            Ok(Box::new(prepared::Conv2d::new(&weight, bias, window, self.epilogue, input)?))
        }
    }

    /// Returns the form for an operator that computes several convolutions in inference; `None` if pooling follows.
    pub fn inference_layer(&self) -> Result<Option<ConvLayer>> {
        if self.epilogue == Epilogue::ReluMaxPool {
            return Ok(None);
        }
        let ((weight, bias), Convolution { window, depthwise, .. }) = (self.inference_parameters()?, &self.convolution);
        Ok(Some(ConvLayer::new(weight, bias, *window, *depthwise, self.epilogue == Epilogue::Relu)))
    }

    /// Returns the weight and bias, detached, with the batch normalisation folded into them.
    fn inference_parameters(&self) -> Result<(Tensor, Option<Tensor>)> {
        let Convolution { weight, bias, .. } = &self.convolution;
        let (weight, bias) = (weight.detach(), bias.as_ref().map(Tensor::detach));
        let Some(norm) = &self.norm else { return Ok((weight, bias)) };
        let (weight, bias) = norm.fold_into(&weight, bias.as_ref())?;
        Ok((weight, Some(bias)))
    }
}

/// A convolution with batch normalisation and an epilogue, in training.
#[derive(Clone)]
pub(crate) struct TrainingConv {
    convolution: Convolution,
    norm: BatchNorm,
    epilogue: Epilogue,
}

impl TrainingConv {
    /// Returns the form for training, if the convolution has batch normalisation.
    pub fn new(conv: &FusedConv) -> Option<Self> {
        let norm = conv.norm.clone()?;
        Some(Self { convolution: conv.convolution.clone(), norm, epilogue: conv.epilogue })
    }

    fn arguments(layers: &[Self]) -> Vec<ConvBatchNorm<'_>> {
        layers.iter().map(Self::argument).collect()
    }

    fn argument(&self) -> ConvBatchNorm<'_> {
        let Self { convolution: Convolution { weight, bias, window, depthwise }, norm, epilogue } = self;
        ConvBatchNorm::new(weight, *window, &norm.weight, &norm.bias)
            .bias(bias.as_ref())
            .depthwise(*depthwise)
            .eps(norm.options.eps)
            .epilogue(*epilogue)
    }

    /// Computes consecutive layers as one operator, and updates their running statistics.
    pub fn forward(xs: &Tensor, layers: &[Self]) -> Result<Tensor> {
        update_running_statistics(layers, ops::conv_batch_norm_train(xs, &Self::arguments(layers))?)
    }

    /// Computes a residual block of consecutive layers as one operator, and updates their running statistics.
    pub fn forward_residual(xs: &Tensor, layers: &[Self], projection: Option<&Convolution>) -> Result<Tensor> {
        let projection =
            projection.map(|Convolution { weight, bias, window, .. }| Projection::new(weight, bias.as_ref(), *window));
        update_running_statistics(
            layers,
            ops::residual_conv_batch_norm_train(xs, &Self::arguments(layers), projection)?,
        )
    }
}

fn update_running_statistics(
    layers: &[TrainingConv],
    (ys, statistics): (Tensor, Vec<BatchStatistics>),
) -> Result<Tensor> {
    layers.iter().zip(&statistics).try_for_each(|(layer, batch)| layer.norm.update_running_statistics(batch))?;
    Ok(ys)
}
