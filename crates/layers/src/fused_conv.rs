use candle_core::{Result, Tensor, bail};
use ops::{
    Epilogue, Window,
    prepared::{self, ConvLayer, Prepared},
};

use crate::{
    batch_norm::BatchNorm, conv2d::Conv2d, depthwise_conv2d::DepthwiseConv2d, layer::Mode, prepared::image_shape,
};

/// A 2-d convolution, depthwise or not.
#[derive(Clone)]
pub(crate) struct Convolution {
    pub weight: Tensor,
    pub bias: Option<Tensor>,
    pub window: Window,
    pub depthwise: bool,
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
