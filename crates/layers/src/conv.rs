use crate::linear::uniform;
use crate::prepared::volume;
use crate::{BatchNorm, Description, Layer, Mode, Normalised, Prepared, Projection, ReceptiveField, Window};
use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;
use ops::{Epilogue, prepared};

/// The settings of a [`Conv2d`]; by default stride 1, no padding, with bias.
#[derive(Debug, Clone, Copy)]
pub struct Conv2dConfig {
    pub window: Window,
    pub bias: bool,
}

impl Conv2dConfig {
    /// A square kernel with stride 1, without padding and with bias.
    pub fn new(kernel: usize) -> Self {
        Self { window: Window::conv(kernel), bias: true }
    }

    /// A square kernel of odd size, padded so that the output is as large as the input.
    pub fn same(kernel: usize) -> Self {
        Self::new(kernel).padding(kernel / 2)
    }

    pub fn stride(self, stride: usize) -> Self {
        Self { window: self.window.stride(stride), ..self }
    }

    pub fn padding(self, padding: usize) -> Self {
        Self { window: self.window.padding(padding), ..self }
    }

    pub fn without_bias(self) -> Self {
        Self { bias: false, ..self }
    }

    /// What a layer with these settings calls itself.
    pub(crate) fn kind(&self, name: &str, channels: &[usize]) -> String {
        let Window { kernel: [kh, kw], stride, padding, .. } = self.window;
        let mut kind = format!("{name}(");
        channels.iter().for_each(|c| kind += &format!("{c}, "));
        kind += &format!("{kh}x{kw}");
        if stride != [1, 1] {
            kind += &format!(", stride {}", stride[0]);
        }
        if padding != [0, 0] {
            kind += &format!(", padding {}", padding[0]);
        }
        kind + ")"
    }
}

/// 2-d convolution, as `torch.nn.Conv2d` with zero padding.
#[derive(Debug, Clone)]
pub struct Conv2d {
    weight: Tensor,
    bias: Option<Tensor>,
    config: Conv2dConfig,
    /// What follows and is computed along with it: a batch normalisation, then the epilogue.
    pub(crate) norm: Option<BatchNorm>,
    pub(crate) epilogue: Epilogue,
}

impl Conv2d {
    /// Parameters `weight` (outputs, inputs, kh, kw) and `bias` (outputs), initialised uniformly in ±1/√(inputs·kh·kw).
    pub fn new(inputs: usize, outputs: usize, config: Conv2dConfig, vb: VarBuilder) -> Result<Self> {
        let [kh, kw] = config.window.kernel;
        let init = uniform(inputs * kh * kw);
        Ok(Self {
            weight: vb.get_with_hints((outputs, inputs, kh, kw), "weight", init)?,
            bias: config.bias.then(|| vb.get_with_hints(outputs, "bias", init)).transpose()?,
            config,
            norm: None,
            epilogue: Epilogue::None,
        })
    }

    /// (outputs, inputs, kh, kw)
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// (outputs)
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }
}

impl Layer for Conv2d {
    /// (N, inputs, H, W) → (N, outputs, oh, ow)
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        let (weight, bias) = (mode.parameter(&self.weight), self.bias.as_ref().map(|bias| mode.parameter(bias)));
        let (bias, window) = (bias.as_ref(), &self.config.window);
        let Some(norm) = &self.norm else { return convolve(xs, &weight, bias, window, self.epilogue) };
        match mode {
            Mode::Train { .. } => Normalised::train(xs, self.normalised().as_slice()),
            Mode::Inference => {
                let (weight, bias) = folded(&weight, bias, Some(norm))?;
                convolve(xs, &weight, bias.as_ref(), window, self.epilogue)
            }
            // Class maps ask for gradients of the feature maps as they are.
            Mode::Eval => {
                let mut norm = norm.clone();
                norm.relu = self.epilogue != Epilogue::None;
                let ys = norm.forward(&ops::conv2d(xs, &weight, bias, &(*window).into())?, mode)?;
                if self.epilogue == Epilogue::ReluMaxPool { ops::max_pool2d(&ys, &Window::pool(2)) } else { Ok(ys) }
            }
        }
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        let (outputs, inputs, _, _) = self.weight.dims4()?;
        let &[channels, height, width] = input else {
            bail!("a 2-d convolution takes (channels, height, width), not {input:?}")
        };
        if channels != inputs {
            bail!("a convolution of {inputs} channels does not take a shape of {input:?}")
        }
        let [oh, ow] = self.config.window.output_size([height, width])?;
        let kind = self.config.kind("Conv2d", &[inputs, outputs]);
        Ok(Description {
            receptive_field: Some(ReceptiveField::of_window(&self.config.window)),
            ..Description::pointwise(kind, vec![outputs, oh, ow])
                .with_params(self.weight.elem_count() + self.bias.as_ref().map_or(0, |_| outputs))
                .with_macs((self.weight.elem_count() * oh * ow) as u64)
        })
    }

    fn normalised(&self) -> Option<Normalised<'_>> {
        let norm = self.norm.as_ref()?;
        Some(Normalised::new(&self.weight, self.bias.as_ref(), self.config.window, false, norm, self.epilogue))
    }

    fn projection(&self) -> Option<Projection<'_>> {
        let alone = self.norm.is_none() && self.epilogue == Epilogue::None;
        alone.then_some(Projection { weight: &self.weight, bias: self.bias.as_ref(), window: self.config.window })
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        let (weight, bias) = folded(&self.weight, self.bias.as_ref(), self.norm.as_ref())?;
        let (window, input) = (&self.config.window, volume(input)?);
        Ok(Box::new(prepared::Conv2d::new(&weight, bias.as_ref(), window, self.epilogue, input)?))
    }
}

/// Weight and bias with the batch normalisation behind them worked in, as constants.
pub(crate) fn folded(
    weight: &Tensor,
    bias: Option<&Tensor>,
    norm: Option<&BatchNorm>,
) -> Result<(Tensor, Option<Tensor>)> {
    let (weight, bias) = (weight.detach(), bias.map(Tensor::detach));
    let Some(norm) = norm else { return Ok((weight, bias)) };
    let (weight, bias) = norm.fold(&weight, bias.as_ref())?;
    Ok((weight, Some(bias)))
}

fn convolve(
    xs: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    window: &Window,
    epilogue: Epilogue,
) -> Result<Tensor> {
    match epilogue {
        Epilogue::None => ops::conv2d(xs, weight, bias, &(*window).into()),
        Epilogue::Relu => ops::conv2d_relu(xs, weight, bias, &(*window).into()),
        Epilogue::ReluMaxPool => ops::conv2d_relu_max_pool(xs, weight, bias, &(*window).into()),
    }
}

/// 1-d convolution with bias, as `torch.nn.Conv1d` with zero padding.
#[derive(Debug, Clone)]
pub struct Conv1d {
    weight: Tensor,
    bias: Tensor,
    stride: usize,
    padding: usize,
}

impl Conv1d {
    /// Parameters `weight` (outputs, inputs, kernel) and `bias` (outputs), initialised uniformly in ±1/√(inputs·kernel).
    pub fn new(
        inputs: usize,
        outputs: usize,
        kernel: usize,
        stride: usize,
        padding: usize,
        vb: VarBuilder,
    ) -> Result<Self> {
        let init = uniform(inputs * kernel);
        Ok(Self {
            weight: vb.get_with_hints((outputs, inputs, kernel), "weight", init)?,
            bias: vb.get_with_hints(outputs, "bias", init)?,
            stride,
            padding,
        })
    }

    /// (outputs, inputs, kernel)
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// (outputs)
    pub fn bias(&self) -> &Tensor {
        &self.bias
    }
}

impl Layer for Conv1d {
    /// (N, inputs, L) → (N, outputs, (L + 2·padding − kernel) / stride + 1)
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        let (weight, bias) = (mode.parameter(&self.weight), mode.parameter(&self.bias));
        let config = ops::Conv1dConfig::default().stride(self.stride).padding(self.padding);
        ops::conv1d(xs, &weight, Some(&bias), &config)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        let (outputs, inputs, kernel) = self.weight.dims3()?;
        let &[channels, length] = input else { bail!("a 1-d convolution takes (channels, length), not {input:?}") };
        if channels != inputs {
            bail!("a convolution of {inputs} channels does not take a shape of {input:?}")
        }
        let window = Window::row(kernel, self.stride, self.padding);
        let [_, length] = window.output_size([1, length])?;
        Ok(Description {
            receptive_field: Some(ReceptiveField::of_window(&window)[1..].to_vec()),
            ..Description::pointwise(format!("Conv1d({inputs}, {outputs}, {kernel})"), vec![outputs, length])
                .with_params(self.weight.elem_count() + outputs)
                .with_macs((self.weight.elem_count() * length) as u64)
        })
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        self.describe(input)?;
        let weight = self.weight.unsqueeze(2)?;
        let window = Window::row(weight.dim(3)?, self.stride, self.padding);
        let conv = prepared::Conv2d::new(&weight, Some(&self.bias), &window, Epilogue::None, volume(input)?)?;
        Ok(Box::new(conv))
    }
}
