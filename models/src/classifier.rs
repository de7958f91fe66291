use candle_core::{Result, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use heads::{Head, HeadConfig};
use layers::{
    Description, Layer, Mode, Prepared, StepCounter,
    graph::{Graph, Value},
};
use ops::prepared::Chain;

use crate::Backbone;

/// A backbone with a head, which turns images into logits.
///
/// It is built by [`build`](crate::build), or made of a backbone and any head:
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::{ModuleT, VarBuilder, VarMap};
/// use heads::Head;
/// use models::Classifier;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let variables = VarMap::new();
/// let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
/// let backbone = models::find("resnet8")?.backbone([3, 32, 32], 1., vb.clone())?;
/// let head = Head::new(&"attn-fc".parse()?, &backbone.output, 10, vb.pp(backbone.naming.head))?;
/// let net = Classifier::new(backbone, head)?;
///
/// let images = Tensor::zeros((2, 3, 32, 32), DType::F32, &Device::Cpu)?;
/// assert_eq!(net.forward_t(&images, false)?.dims(), [2, 10]); // candle's interface
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
pub struct Classifier {
    /// The convolutional part.
    pub backbone: Backbone,
    /// The part that turns feature maps into logits.
    pub head: Head,
    steps: StepCounter,
}

impl Classifier {
    /// Makes a network of a backbone and a head, which may come from another crate: whatever converts into a [`Head`].
    ///
    /// The parameters of the head are described and exported under the path [`Naming::head`](crate::Naming::head) of
    /// the backbone, so they should be built there.
    ///
    /// # Errors
    /// If the head does not take the feature maps of the backbone.
    pub fn new(backbone: Backbone, head: impl Into<Head>) -> Result<Self> {
        let head = head.into();
        head.describe(&backbone.output)?;
        Ok(Self { backbone, head, steps: StepCounter::default() })
    }

    /// Computes the feature maps that the head gets.
    ///
    /// # Shapes
    /// Images (N, C, H, W) → feature maps (N, C', H', W')
    pub fn forward_features(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        self.backbone.forward(xs, mode)
    }

    /// Computes the logits from the feature maps. [`Head::pooled`] has the vector before the last linear layer, and
    /// [`Head::class_maps`] the evidence at each position.
    ///
    /// # Shapes
    /// Feature maps (N, C', H', W') → logits (N, K)
    pub fn forward_head(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        self.head.forward(features, mode)
    }

    /// Freezes the backbone, so that only the head is trained: [`Backbone::freeze`].
    pub fn freeze_backbone(&mut self) {
        self.backbone.freeze();
    }

    /// Computes the outputs of all layers by name, in their order, and the logits last: see [`Layer::forward_parts`].
    ///
    /// ```
    /// use candle_core::{DType, Device, Tensor};
    /// use candle_nn::{VarBuilder, VarMap};
    /// use layers::Mode;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
    /// let net = models::build("two-conv", &models::find("two-conv")?.config()?, vb)?;
    /// let images = Tensor::zeros((1, 1, 28, 28), DType::F32, &Device::Cpu)?;
    /// for (name, features) in net.named_features(&images, Mode::Inference)? {
    ///     println!("{name} {:?}", features.dims()); // features.0 [1, 32, 26, 26], and so on
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Images that the network does not take.
    pub fn named_features(&self, xs: &Tensor, mode: Mode) -> Result<Vec<(String, Tensor)>> {
        let mut features = Vec::new();
        self.forward_parts(xs, mode, &mut |name, output| features.push((name.to_string(), output.clone())))?;
        Ok(features)
    }

    /// Replaces the head by a new one, as `reset_classifier` of timm does, for instance to fine-tune a trained backbone
    /// on other classes.
    ///
    /// `vb` is the root of the network's parameters. A `VarMap` that holds a head of another shape refuses to build the
    /// new one; give the builder of an empty `VarMap`, and train the parameters of both.
    ///
    /// # Errors
    /// See [`Head::new`]. The old head stays.
    pub fn reset_classifier(&mut self, config: &HeadConfig, classes: usize, vb: VarBuilder) -> Result<()> {
        self.head = self.backbone.build_head(config, classes, vb)?;
        Ok(())
    }
}

impl Layer for Classifier {
    /// Computes the logits.
    ///
    /// # Shapes
    /// Images (N, C, H, W) → logits (N, K)
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        self.forward_head(&self.forward_features(xs, mode)?, mode)
    }

    fn forward_parts(&self, xs: &Tensor, mode: Mode, visit: &mut dyn FnMut(&str, &Tensor)) -> Result<Tensor> {
        let logits = self.forward_head(&self.backbone.forward_parts(xs, mode, visit)?, mode)?;
        visit(self.backbone.naming.head, &logits);
        Ok(logits)
    }

    /// Describes the backbone's layers and the head as one chain.
    fn describe(&self, input: &[usize]) -> Result<Description> {
        let Description { kind, output, mut children, .. } = self.backbone.describe(input)?;
        children.push(self.head.describe(&output)?.at(self.backbone.naming.head));
        Ok(Description::chain(kind, input, children))
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        let features = self.backbone.feature_shape(input)?;
        Ok(Box::new(Chain::new(vec![self.backbone.prepare(input)?, self.head.prepare(&features)?])?))
    }

    fn export(&self, input: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let features = self.backbone.export(input, graph, xs)?;
        let shape = self.backbone.feature_shape(input)?;
        graph.scoped(self.backbone.naming.head, |graph| self.head.export(&shape, graph, &features))
    }
}

impl ModuleT for Classifier {
    /// Computes the logits through candle's interface: for training with [`Mode::Train`], whose dropout masks change
    /// from call to call, otherwise with [`Mode::Eval`].
    fn forward_t(&self, xs: &Tensor, train: bool) -> Result<Tensor> {
        self.forward(xs, self.steps.mode(train))
    }
}
