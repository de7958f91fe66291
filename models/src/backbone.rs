use candle_core::{Context, Result, Tensor};
use candle_nn::VarBuilder;
use heads::{Head, HeadConfig};
use layers::{
    Description, Layer, Mode, Prepared,
    graph::{Graph, Value},
};

use crate::{
    Naming,
    naming::{descend, join},
};

/// The convolutional part of a network, which turns images into feature maps.
#[non_exhaustive]
pub struct Backbone {
    /// The name of the architecture, as in `resnet8`, for summaries and error messages.
    pub name: String,
    /// The layers that compute the feature maps.
    pub layers: Box<dyn Layer>,
    /// The shape (C, H, W) of the images it was built for.
    pub input: Vec<usize>,
    /// The shape (C', H', W') of its feature maps for that input.
    pub output: Vec<usize>,
    /// The paths of the parameters of the backbone and of its head.
    pub naming: Naming,
    frozen: bool,
}

impl Backbone {
    /// Makes a backbone of any layers, whose parameters lie under [`Naming::backbone`].
    ///
    /// # Errors
    /// If the layers do not take images of the shape `input` (C, H, W).
    pub fn new(name: impl Into<String>, layers: impl Layer + 'static, input: &[usize], naming: Naming) -> Result<Self> {
        let (name, layers) = (name.into(), Box::new(layers));
        let output = layers.describe(input).with_context(|| name.clone())?.output;
        Ok(Self { name, layers, input: input.to_vec(), output, naming, frozen: false })
    }

    /// Builds a head for the feature maps. Its parameters lie under `vb` at the path [`Naming::head`].
    ///
    /// # Errors
    /// See [`Head::new`].
    pub fn build_head(&self, config: &HeadConfig, classes: usize, vb: VarBuilder) -> Result<Head> {
        Head::new(config, &self.output, classes, descend(vb, self.naming.head))
            .with_context(|| format!("head {config} on {}", self.name))
    }

    /// Freezes the backbone: from now on it computes in training what it does in [`Mode::Inference`]. Its parameters get no
    /// gradients, which also saves their computation; batch normalisation uses its running statistics and leaves them as
    /// they are, and dropout does nothing.
    pub fn freeze(&mut self) {
        self.frozen = true;
    }

    /// Returns the mode of a forward pass, in which a frozen backbone is not trained.
    fn mode(&self, mode: Mode) -> Mode {
        if self.frozen && matches!(mode, Mode::Train { .. }) { Mode::Inference } else { mode }
    }

    /// Returns the shape of the feature maps for images of the shape `input` (C, H, W) without computing them.
    ///
    /// # Errors
    /// If the input has another number of channels or is too small. The message names the layer.
    pub fn feature_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        Ok(self.describe(input)?.output)
    }
}

impl Layer for Backbone {
    /// Computes the feature maps.
    ///
    /// # Shapes
    /// Images (N, C, H, W) → feature maps (N, C', H', W')
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        self.layers.forward(xs, self.mode(mode))
    }

    fn forward_parts(&self, xs: &Tensor, mode: Mode, visit: &mut dyn FnMut(&str, &Tensor)) -> Result<Tensor> {
        let visit = &mut |part: &str, ys: &Tensor| visit(&join(self.naming.backbone, part), ys);
        self.layers.forward_parts(xs, self.mode(mode), visit)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        let mut description = self.layers.describe(input).with_context(|| self.name.clone())?;
        for child in &mut description.children {
            child.path = join(self.naming.backbone, &child.path);
        }
        description.kind = self.name.clone();
        Ok(description)
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        self.layers.prepare(input).with_context(|| self.name.clone())
    }

    fn export(&self, input: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        graph
            .scoped(self.naming.backbone, |graph| self.layers.export(input, graph, xs))
            .with_context(|| self.name.clone())
    }
}
