use crate::conv::folded;
use crate::linear::uniform;
use crate::prepared::volume;
use crate::{BatchNorm, Conv2dConfig, Description, Layer, Mode, Normalised, Prepared, ReceptiveField};
use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;
use ops::{Epilogue, prepared};

/// Depthwise 2-d convolution, as `torch.nn.Conv2d(c, c, …, groups=c)` with zero padding: see
/// [`ops::depthwise_conv2d`].
#[derive(Debug, Clone)]
pub struct DepthwiseConv2d {
    weight: Tensor,
    bias: Option<Tensor>,
    config: Conv2dConfig,
    /// What follows and is computed along with it: a batch normalisation, then ReLU.
    pub(crate) norm: Option<BatchNorm>,
    pub(crate) relu: bool,
}

impl DepthwiseConv2d {
    /// Parameters `weight` (channels, 1, kh, kw) and `bias` (channels), initialised uniformly in ±1/√(kh·kw).
    pub fn new(channels: usize, config: Conv2dConfig, vb: VarBuilder) -> Result<Self> {
        let [kh, kw] = config.window.kernel;
        let init = uniform(kh * kw);
        let weight = vb.get_with_hints((channels, 1, kh, kw), "weight", init)?;
        let bias = config.bias.then(|| vb.get_with_hints(channels, "bias", init)).transpose()?;
        Ok(Self { weight, bias, config, norm: None, relu: false })
    }
}

impl Layer for DepthwiseConv2d {
    /// (N, C, H, W) → (N, C, oh, ow)
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        let (weight, bias) = (mode.parameter(&self.weight), self.bias.as_ref().map(|bias| mode.parameter(bias)));
        let window = &self.config.window;
        let convolve = if self.relu { ops::depthwise_conv2d_relu } else { ops::depthwise_conv2d };
        let Some(norm) = &self.norm else { return convolve(xs, &weight, bias.as_ref(), window) };
        match mode {
            Mode::Train { .. } => Normalised::train(xs, self.normalised().as_slice()),
            Mode::Inference => {
                let (weight, bias) = folded(&weight, bias.as_ref(), Some(norm))?;
                convolve(xs, &weight, bias.as_ref(), window)
            }
            Mode::Eval => {
                let mut norm = norm.clone();
                norm.relu = self.relu;
                norm.forward(&ops::depthwise_conv2d(xs, &weight, bias.as_ref(), window)?, mode)
            }
        }
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        let channels = self.weight.dim(0)?;
        let &[c, height, width] = input else {
            bail!("a depthwise convolution takes (channels, height, width), not {input:?}")
        };
        if c != channels {
            bail!("a depthwise convolution of {channels} channels does not take a shape of {input:?}")
        }
        let [oh, ow] = self.config.window.output_size([height, width])?;
        let kind = self.config.kind("DepthwiseConv2d", &[channels]);
        Ok(Description {
            receptive_field: Some(ReceptiveField::of_window(&self.config.window)),
            ..Description::pointwise(kind, vec![channels, oh, ow])
                .with_params(self.weight.elem_count() + self.bias.as_ref().map_or(0, |_| channels))
                .with_macs((self.weight.elem_count() * oh * ow) as u64)
        })
    }

    fn normalised(&self) -> Option<Normalised<'_>> {
        let (norm, epilogue) = (self.norm.as_ref()?, if self.relu { Epilogue::Relu } else { Epilogue::None });
        Some(Normalised::new(&self.weight, self.bias.as_ref(), self.config.window, true, norm, epilogue))
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        let (weight, bias) = folded(&self.weight, self.bias.as_ref(), self.norm.as_ref())?;
        let (window, input) = (&self.config.window, volume(input)?);
        Ok(Box::new(prepared::DepthwiseConv2d::new(&weight, bias.as_ref(), window, self.relu, input)?))
    }
}
