use crate::sequential::Entry;
use crate::{
    AvgPool2d, BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, DepthwiseConv2d, Dropout, Flatten, Layer, Linear,
    MaxPool2d, Relu, Sequential, Window,
};
use candle_core::{Context, Result, bail};
use candle_nn::VarBuilder;
use ops::Epilogue;

/// Builds a [`Sequential`] from top to bottom, keeping track of the shape, so that an architecture reads like the
/// table in its paper.
///
/// Modules are numbered as `torch.nn.Sequential` numbers them (layers without parameters count too), or carry the
/// name given just before. The first error is kept until [`Stack::build`]. What can be computed in one go is: a
/// convolution takes on the batch normalisation, the ReLU and the 2×2 max pooling behind it, as far as they come in this
/// order; a depthwise one the first two; linear layers and batch normalisations take on a ReLU.
pub struct Stack<'a> {
    vb: VarBuilder<'a>,
    shape: Result<Vec<usize>>,
    modules: Vec<(String, Module)>,
    next_name: Option<String>,
}

/// The layers that can absorb another, and the rest.
enum Module {
    Conv2d(Conv2d),
    Depthwise(DepthwiseConv2d),
    Linear(Linear),
    BatchNorm(BatchNorm),
    Relu,
    MaxPool2d(MaxPool2d),
    Other(Box<dyn Layer>),
}

impl Module {
    fn layer(&self) -> &dyn Layer {
        match self {
            Module::Conv2d(layer) => layer,
            Module::Depthwise(layer) => layer,
            Module::Linear(layer) => layer,
            Module::BatchNorm(layer) => layer,
            Module::Relu => &Relu,
            Module::MaxPool2d(layer) => layer,
            Module::Other(layer) => layer,
        }
    }

    /// Takes on the module that follows, if it can compute it along with itself.
    fn absorb(&mut self, next: &Module) -> bool {
        match (self, next) {
            (Module::Conv2d(conv), Module::BatchNorm(norm))
                if conv.epilogue == Epilogue::None && conv.norm.is_none() =>
            {
                conv.norm = Some(norm.clone());
            }
            (Module::Conv2d(conv), Module::Relu) if conv.epilogue == Epilogue::None => conv.epilogue = Epilogue::Relu,
            (Module::Conv2d(conv), Module::MaxPool2d(MaxPool2d(window)))
                if conv.epilogue == Epilogue::Relu && *window == Window::pool(2) =>
            {
                conv.epilogue = Epilogue::ReluMaxPool;
            }
            (Module::Depthwise(conv), Module::BatchNorm(norm)) if !conv.relu && conv.norm.is_none() => {
                conv.norm = Some(norm.clone());
            }
            (Module::Depthwise(layer), Module::Relu) => layer.relu = true,
            (Module::Linear(layer), Module::Relu) => layer.relu = true,
            (Module::BatchNorm(layer), Module::Relu) => layer.relu = true,
            _ => return false,
        }
        true
    }

    fn into_layer(self) -> Box<dyn Layer> {
        match self {
            Module::Conv2d(layer) => Box::new(layer),
            Module::Depthwise(layer) => Box::new(layer),
            Module::Linear(layer) => Box::new(layer),
            Module::BatchNorm(layer) => Box::new(layer),
            Module::Relu => Box::new(Relu),
            Module::MaxPool2d(layer) => Box::new(layer),
            Module::Other(layer) => layer,
        }
    }
}

impl<'a> Stack<'a> {
    /// Starts with an `input` of this shape, without the batch axis.
    pub fn new(input: &[usize], vb: VarBuilder<'a>) -> Self {
        Self { vb, shape: Ok(input.to_vec()), modules: Vec::new(), next_name: None }
    }

    /// Names the next module, which would otherwise carry its number.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.next_name = Some(name.into());
        self
    }

    /// A convolution without padding that moves by one.
    pub fn conv(self, channels: usize, kernel: usize) -> Self {
        self.conv_with(channels, Conv2dConfig::new(kernel))
    }

    /// A convolution padded so that the output is as large as the input.
    pub fn conv_same(self, channels: usize, kernel: usize) -> Self {
        self.conv_with(channels, Conv2dConfig::same(kernel))
    }

    pub fn conv_with(self, channels: usize, config: Conv2dConfig) -> Self {
        self.module(|shape, vb| Ok(Module::Conv2d(Conv2d::new(axis(shape, 0)?, channels, config, vb)?)))
    }

    /// A depthwise convolution.
    pub fn depthwise_with(self, config: Conv2dConfig) -> Self {
        self.module(|shape, vb| Ok(Module::Depthwise(DepthwiseConv2d::new(axis(shape, 0)?, config, vb)?)))
    }

    pub fn batch_norm(self) -> Self {
        self.module(|shape, vb| Ok(Module::BatchNorm(BatchNorm::new(axis(shape, 0)?, BatchNormConfig::default(), vb)?)))
    }

    pub fn relu(self) -> Self {
        self.module(|_, _| Ok(Module::Relu))
    }

    /// Maximum over windows side by side.
    pub fn max_pool(self, kernel: usize) -> Self {
        self.max_pool_with(Window::pool(kernel))
    }

    pub fn max_pool_with(self, window: Window) -> Self {
        self.module(|_, _| Ok(Module::MaxPool2d(MaxPool2d(window))))
    }

    /// Average over windows side by side.
    pub fn avg_pool(self, kernel: usize) -> Self {
        self.layer(|_, _| Ok(AvgPool2d(Window::pool(kernel))))
    }

    pub fn dropout(self, p: f64) -> Self {
        self.layer(|_, vb| Dropout::new(p, vb.prefix()))
    }

    pub fn flatten(self) -> Self {
        self.layer(|_, _| Ok(Flatten))
    }

    pub fn linear(self, outputs: usize) -> Self {
        self.module(|shape, vb| match shape {
            &[inputs] => Ok(Module::Linear(Linear::new(inputs, outputs, vb)?)),
            _ => bail!("a linear layer needs a flat input, not {shape:?}: flatten it first"),
        })
    }

    /// Any other layer, made from the shape it will get and the builder of its parameters.
    pub fn layer<L: Layer + 'static>(self, make: impl FnOnce(&[usize], VarBuilder<'a>) -> Result<L>) -> Self {
        self.module(|shape, vb| Ok(Module::Other(Box::new(make(shape, vb)?))))
    }

    fn module(mut self, make: impl FnOnce(&[usize], VarBuilder<'a>) -> Result<Module>) -> Self {
        let name = self.next_name.take().unwrap_or_else(|| self.modules.len().to_string());
        let Ok(shape) = &self.shape else { return self };
        let made = make(shape, self.vb.pp(&name)).and_then(|module| {
            let output = module.layer().describe(shape)?.output;
            Ok((module, output))
        });
        match made.with_context(|| format!("layer {name}, which gets {shape:?}")) {
            Ok((module, output)) => {
                self.modules.push((name, module));
                self.shape = Ok(output);
            }
            Err(error) => self.shape = Err(error),
        }
        self
    }

    /// The shape so far, without the batch axis.
    ///
    /// # Errors
    /// The first layer that could not be made.
    pub fn shape(&self) -> Result<Vec<usize>> {
        match &self.shape {
            Ok(shape) => Ok(shape.clone()),
            Err(error) => bail!("{error}"),
        }
    }

    /// # Errors
    /// The first layer that could not be made.
    pub fn build(self) -> Result<Sequential> {
        self.shape?;
        let mut modules = self.modules;
        // The last module that is computed for itself, and which are computed along with it.
        let (mut last, mut absorbed) = (0, vec![false]);
        for i in 1..modules.len() {
            let (before, rest) = modules.split_at_mut(i);
            absorbed.push(before[last].1.absorb(&rest[0].1));
            if !absorbed[i] {
                last = i;
            }
        }
        let entries = modules.into_iter().zip(absorbed);
        let entries = entries.map(|((path, module), absorbed)| Entry { path, layer: module.into_layer(), absorbed });
        Ok(Sequential { entries: entries.collect() })
    }
}

fn axis(shape: &[usize], i: usize) -> Result<usize> {
    shape.get(i).copied().with_context(|| "the input has no axes".to_string())
}
