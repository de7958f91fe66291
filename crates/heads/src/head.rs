use candle_core::{Result, Tensor, bail};
use candle_nn::{ModuleT, VarBuilder};
use layers::{
    StepCounter,
    graph::{Graph, Value},
};

use crate::{ClassifierHead, Description, Evidence, HeadConfig, Layer, Mode, Prepared};

/// Any classifier head, from a feature map (N, C, L) or (N, C, H, W) to logits (N, K).
///
/// [`Head::new`] builds one that is chosen by name, `Head::from` takes any [`ClassifierHead`].
pub struct Head {
    head: Box<dyn ClassifierHead>,
    steps: StepCounter,
}

impl Head {
    /// Builds a head for features of the shape (C, L) or (C, H, W), without the batch axis.
    ///
    /// In the built-in heads, the parameters `weight` and `bias` of the linear layer or convolution that gives the
    /// logits lie directly under `vb`. The layers of `fc:…` are numbered as in
    /// `torch.nn.Sequential(Flatten, Linear, ReLU, …)`.
    ///
    /// # Errors
    /// A feature shape without spatial axes or with an empty axis, no classes, a `:direct` head for different numbers
    /// of channels and classes, and parameters that `vb` lacks or holds in another shape.
    ///
    /// ```
    /// use candle_core::{DType, Device};
    /// use candle_nn::{VarBuilder, VarMap};
    /// use heads::Head;
    ///
    /// let variables = VarMap::new();
    /// let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    /// let head = Head::new(&"fc:128".parse()?, &[64, 5, 5], 10, vb)?;
    /// assert!(head.fixed_input());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(config: &HeadConfig, features: &[usize], classes: usize, vb: VarBuilder) -> Result<Self> {
        if features.len() < 2 || features.contains(&0) {
            bail!("a head cannot be built for features {features:?}; it takes (C, L) or (C, H, W) with no empty axis")
        }
        if classes == 0 {
            bail!("a head cannot be built for 0 classes; it needs at least one")
        }
        Ok(config.build(features, classes, vb)?.into())
    }

    /// Computes the vector per image that the last linear layer takes. For `gap` and `gmp`, which convolve before they
    /// pool, it is the features pooled the same way.
    ///
    /// # Shapes
    /// (N, C, …) → (N, D).
    ///
    /// # Errors
    /// Features that the head does not take.
    pub fn pooled(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        self.head.pooled(features, mode)
    }

    /// Computes the evidence for each class at each position of the features, in evaluation mode.
    ///
    /// # Errors
    /// Features that the head does not take.
    pub fn class_maps(&self, features: &Tensor) -> Result<Evidence> {
        self.head.class_maps(features)
    }

    /// Adds what computes [`class_maps`](Self::class_maps) to a graph of operators, as [`Layer::export`] does for the
    /// logits, and returns the maps. `xs` are features of the shape `features`, without the batch axis.
    ///
    /// # Errors
    /// A head whose class maps need gradients, such as `fc:128` and `spp-fc`.
    pub fn export_class_maps(&self, features: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        self.head.export_class_maps(features, graph, xs)
    }

    /// Returns whether the head takes feature maps of one size only.
    pub fn fixed_input(&self) -> bool {
        self.head.fixed_input()
    }
}

impl<T: ClassifierHead + 'static> From<T> for Head {
    fn from(head: T) -> Self {
        Self::from(Box::new(head) as Box<dyn ClassifierHead>)
    }
}

impl From<Box<dyn ClassifierHead>> for Head {
    fn from(head: Box<dyn ClassifierHead>) -> Self {
        Self { head, steps: StepCounter::default() }
    }
}

impl Layer for Head {
    fn forward(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        self.head.forward(features, mode)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        self.head.describe(input)
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        self.head.prepare(input)
    }

    fn export(&self, input: &[usize], graph: &mut Graph, features: &Value) -> Result<Value> {
        self.head.export(input, graph, features)
    }
}

impl ModuleT for Head {
    /// Computes the logits through candle's interface, in training or evaluation mode. In training, the dropout masks
    /// change with every call.
    fn forward_t(&self, features: &Tensor, train: bool) -> Result<Tensor> {
        self.forward(features, self.steps.mode(train))
    }
}
