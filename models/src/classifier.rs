use candle_core::{Context, Result, Tensor};
use heads::Head;
use layers::{Description, Layer, Mode, Prepared, Sequential};
use ops::prepared::Chain;

/// The convolutional part of a network: images in, feature maps out.
pub struct Backbone {
    /// The architecture's name, e.g. `resnet8`.
    pub name: &'static str,
    pub layers: Sequential,
    /// The shape it was built for, (C, H, W).
    pub input: Vec<usize>,
    /// The shape of its features for that input.
    pub output: Vec<usize>,
    /// What its parameters' names start with: `features`, or nothing.
    pub(crate) prefix: &'static str,
}

impl Backbone {
    /// (N, C, H, W) → the feature maps (N, C', H', W')
    pub fn forward_features(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        self.layers.forward(xs, mode)
    }

    /// The shape of the features of an `input` (C, H, W), without computing them.
    ///
    /// # Errors
    /// An input of other channels, or too small: the message names the layer.
    pub fn feature_shape(&self, input: &[usize]) -> Result<Vec<usize>> {
        Ok(self.describe(input)?.output)
    }
}

impl Layer for Backbone {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        self.forward_features(xs, mode)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        let mut description = self.layers.describe(input).with_context(|| self.name.to_string())?;
        for child in &mut description.children {
            child.path = join(self.prefix, &child.path);
        }
        description.kind = self.name.to_string();
        Ok(description)
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        self.layers.prepare(input).with_context(|| self.name.to_string())
    }
}

/// A backbone with a head: images in, logits out.
pub struct Classifier {
    pub backbone: Backbone,
    pub head: Head,
    /// The name of the head's parameters: `classifier`, or torchvision's `fc`.
    pub(crate) head_path: &'static str,
}

impl Classifier {
    /// (N, C, H, W) → what the head gets, (N, C', H', W')
    pub fn forward_features(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        self.backbone.forward_features(xs, mode)
    }
}

impl Layer for Classifier {
    /// (N, C, H, W) → logits (N, K)
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        self.head.forward(&self.forward_features(xs, mode)?, mode)
    }

    /// The backbone's layers, then the head.
    fn describe(&self, input: &[usize]) -> Result<Description> {
        let Description { kind, output, mut children, .. } = self.backbone.describe(input)?;
        children.push(self.head.describe(&output)?.at(self.head_path));
        Ok(Description::chain(kind, input, children))
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        let features = self.backbone.feature_shape(input)?;
        Ok(Box::new(Chain::new(vec![self.backbone.prepare(input)?, self.head.prepare(&features)?])?))
    }
}

/// A path of parameters; either part may be empty.
pub(crate) fn join(parent: &str, child: &str) -> String {
    let dot = if parent.is_empty() || child.is_empty() { "" } else { "." };
    format!("{parent}{dot}{child}")
}
