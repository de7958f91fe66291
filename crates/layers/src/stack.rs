use std::sync::Arc;

use candle_core::{Context, Result, bail};
use candle_nn::VarBuilder;
use ops::Window;

use crate::{
    batch_norm::{BatchNorm, BatchNormOptions},
    conv1d::{Conv1d, Conv1dOptions},
    conv2d::{Conv2d, Conv2dOptions},
    depthwise_conv2d::DepthwiseConv2d,
    dropout::{Dropout, SpatialDropout},
    elu::Elu,
    embedding::{Embedding, EmbeddingOptions},
    flatten::Flatten,
    fusion::Module,
    global_pool::{GlobalAvgPool, GlobalMaxPool},
    layer::Layer,
    linear::Linear,
    parallel::Parallel,
    pool1d::{AvgPool1d, MaxPool1d, Pool1dOptions},
    pool2d::{AvgPool2d, MaxPool2d},
    relu::Relu,
    residual::Residual,
    sequential::Sequential,
};

/// Builds a [`Sequential`] module by module and tracks the shape, so that an architecture reads like the table in its
/// paper.
///
/// Modules are numbered as in a `torch.nn.Sequential`, where modules without parameters count too, unless
/// [`Stack::name`] gives the next one a name. The first error is kept until [`Stack::build`].
///
/// Consecutive modules that one operator can compute are fused: convolution, batch normalisation, ReLU and 2×2 max pooling;
/// linear layer and ReLU; batch normalisation and ReLU; 1-d convolution, ReLU and global max pooling; in training also several
/// such convolutions and residual blocks. Parameters, results and
/// descriptions are the same as without fusion. A module that [`Stack::layer`] adds is never fused.
pub struct Stack<'a> {
    vb: VarBuilder<'a>,
    shape: Result<Vec<usize>>,
    modules: Vec<(String, Module)>,
    next_name: Option<String>,
}

impl<'a> Stack<'a> {
    /// Creates a builder for an `input` of this shape, without the batch axis: (C, H, W), (C, L), (D), or (L) for ids.
    pub fn new(input: &[usize], vb: VarBuilder<'a>) -> Self {
        Self { vb, shape: Ok(input.to_vec()), modules: Vec::new(), next_name: None }
    }

    /// Names the next module, which would otherwise be numbered.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.next_name = Some(name.into());
        self
    }

    /// Adds a [`Conv2d`] with stride 1 and without padding.
    pub fn conv(self, channels: usize, kernel: usize) -> Self {
        self.conv_with(channels, Conv2dOptions::new(kernel))
    }

    /// Adds a [`Conv2d`] whose output is as large as its input.
    pub fn conv_same(self, channels: usize, kernel: usize) -> Self {
        self.conv_with(channels, Conv2dOptions::same(kernel))
    }

    /// Adds a [`Conv2d`] with these options.
    pub fn conv_with(self, channels: usize, options: Conv2dOptions) -> Self {
        self.module(|shape, vb| Ok(Module::Conv2d(Conv2d::new(channels_of(shape)?, channels, options, vb)?)))
    }

    /// Adds a [`DepthwiseConv2d`] with these options.
    pub fn depthwise_with(self, options: Conv2dOptions) -> Self {
        self.module(|shape, vb| Ok(Module::DepthwiseConv2d(DepthwiseConv2d::new(channels_of(shape)?, options, vb)?)))
    }

    /// Adds a [`Conv1d`] with stride 1 and without padding.
    pub fn conv1d(self, channels: usize, kernel: usize) -> Self {
        self.conv1d_with(channels, Conv1dOptions::new(kernel))
    }

    /// Adds a [`Conv1d`] with these options.
    pub fn conv1d_with(self, channels: usize, options: Conv1dOptions) -> Self {
        self.module(|shape, vb| Ok(Module::Conv1d(Conv1d::new(channels_of(shape)?, channels, options, vb)?)))
    }

    /// Adds a [`BatchNorm`].
    pub fn batch_norm(self) -> Self {
        let options = BatchNormOptions::default();
        self.module(|shape, vb| Ok(Module::BatchNorm(BatchNorm::new(channels_of(shape)?, options, vb)?)))
    }

    /// Adds a [`Relu`].
    pub fn relu(self) -> Self {
        self.module(|_, _| Ok(Module::Relu(Relu)))
    }

    /// Adds an [`Elu`] with α = 1.
    pub fn elu(self) -> Self {
        self.layer(|_, _| Ok(Elu::default()))
    }

    /// Adds a [`MaxPool2d`] over adjacent windows.
    pub fn max_pool(self, kernel: usize) -> Self {
        self.max_pool_with(Window::pool(kernel))
    }

    /// Adds a [`MaxPool2d`] over these windows.
    pub fn max_pool_with(self, window: Window) -> Self {
        self.module(|_, _| Ok(Module::MaxPool2d(MaxPool2d(window))))
    }

    /// Adds an [`AvgPool2d`] over adjacent windows.
    pub fn avg_pool(self, kernel: usize) -> Self {
        self.layer(|_, _| Ok(AvgPool2d(Window::pool(kernel))))
    }

    /// Adds a [`MaxPool1d`] over adjacent windows.
    pub fn max_pool1d(self, kernel: usize) -> Self {
        self.layer(|_, _| Ok(MaxPool1d(Pool1dOptions::new(kernel))))
    }

    /// Adds an [`AvgPool1d`] over adjacent windows.
    pub fn avg_pool1d(self, kernel: usize) -> Self {
        self.layer(|_, _| Ok(AvgPool1d(Pool1dOptions::new(kernel))))
    }

    /// Adds a [`GlobalMaxPool`].
    pub fn global_max_pool(self) -> Self {
        self.module(|_, _| Ok(Module::GlobalMaxPool(GlobalMaxPool)))
    }

    /// Adds a [`GlobalAvgPool`].
    pub fn global_avg_pool(self) -> Self {
        self.layer(|_, _| Ok(GlobalAvgPool))
    }

    /// Adds a [`Dropout`] with probability `p`.
    pub fn dropout(self, p: f64) -> Self {
        self.layer(|_, vb| Dropout::new(p, vb.prefix()))
    }

    /// Adds a [`SpatialDropout`] with probability `p`.
    pub fn spatial_dropout(self, p: f64) -> Self {
        self.layer(|_, vb| SpatialDropout::new(p, vb.prefix()))
    }

    /// Adds a [`Flatten`].
    pub fn flatten(self) -> Self {
        self.module(|_, _| Ok(Module::Flatten(Flatten)))
    }

    /// Adds a [`Linear`].
    pub fn linear(self, outputs: usize) -> Self {
        self.module(|shape, vb| match shape {
            &[inputs] => Ok(Module::Linear(Linear::new(inputs, outputs, vb)?)),
            _ => bail!("a linear layer does not take an input of {shape:?}; flatten it first"),
        })
    }

    /// Adds an [`Embedding`] of ids below `ids` whose output has its `dimensions` as channels, (D, L), as the other layers
    /// expect.
    pub fn embedding(self, ids: usize, dimensions: usize) -> Self {
        self.embedding_with(ids, dimensions, EmbeddingOptions::default().channels_first())
    }

    /// Adds an [`Embedding`] with these options.
    pub fn embedding_with(self, ids: usize, dimensions: usize, options: EmbeddingOptions) -> Self {
        self.layer(|_, vb| Embedding::new(ids, dimensions, options, vb))
    }

    /// Adds a [`Parallel`] with one branch for each of the `settings`, built by `branch`.
    pub fn parallel<T>(
        self,
        settings: impl IntoIterator<Item = T>,
        branch: impl Fn(Stack<'a>, T) -> Stack<'a>,
    ) -> Self {
        self.layer(|shape, vb| {
            let mut branches: Vec<(String, Box<dyn Layer>)> = Vec::new();
            for (i, setting) in settings.into_iter().enumerate() {
                let layers = branch(Stack::new(shape, vb.pp(i)), setting).build();
                branches.push((i.to_string(), Box::new(layers.with_context(|| format!("branch {i}"))?)));
            }
            Parallel::new(branches)
        })
    }

    /// Adds a [`Residual`], made of the shape of its input and the builder of its parameters.
    pub fn residual(self, make: impl FnOnce(&[usize], VarBuilder<'a>) -> Result<Residual>) -> Self {
        self.module(|shape, vb| Ok(Module::Residual(Arc::new(make(shape, vb)?))))
    }

    /// Adds any other layer, made of the shape of its input and the builder of its parameters.
    pub fn layer<L: Layer + 'static>(self, make: impl FnOnce(&[usize], VarBuilder<'a>) -> Result<L>) -> Self {
        self.module(|shape, vb| Ok(Module::Other(Arc::new(make(shape, vb)?))))
    }

    fn module(mut self, make: impl FnOnce(&[usize], VarBuilder<'a>) -> Result<Module>) -> Self {
        let name = self.next_name.take().unwrap_or_else(|| self.modules.len().to_string());
        let Ok(shape) = &self.shape else { return self };
        let made = make(shape, self.vb.pp(&name)).and_then(|module| {
            let output = module.layer().describe(shape)?.output;
            Ok((module, output))
        });
        match made.with_context(|| format!("layer {name} with an input of {shape:?}")) {
            Ok((module, output)) => {
                self.modules.push((name, module));
                self.shape = Ok(output);
            }
            Err(error) => self.shape = Err(error),
        }
        self
    }

    /// Returns the shape of the output so far, without the batch axis.
    ///
    /// # Errors
    /// Fails if a layer could not be built, and names the first.
    pub fn shape(&self) -> Result<Vec<usize>> {
        match &self.shape {
            Ok(shape) => Ok(shape.clone()),
            Err(error) => bail!("{error}"),
        }
    }

    /// Finishes the sequence.
    ///
    /// # Errors
    /// Fails if a layer could not be built, and names the first.
    pub fn build(self) -> Result<Sequential> {
        self.shape?;
        Ok(Sequential::new(self.modules))
    }
}

fn channels_of(shape: &[usize]) -> Result<usize> {
    shape.first().copied().context("the input has no axes")
}
