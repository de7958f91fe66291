use candle_core::{Result, Tensor, bail};
use layers::graph::{Graph, Value};

use crate::{Evidence, Layer, Mode, Reduction, gradient_times_activation};

/// A classifier head: a [`Layer`] from a feature map (N, C, L) or (N, C, H, W) to logits (N, K) that can show where it
/// sees evidence for each class.
///
/// A type that implements this trait becomes a [`Head`](crate::Head) by `Head::from` and can be given a name by
/// [`register`](crate::register). If the head is a pooling followed by a linear layer, it is easier to implement
/// [`Pooling`](crate::Pooling) and use [`PoolLinear`](crate::PoolLinear).
///
/// A head that scales the flattened features to length 1 before its linear layer:
///
/// ```
/// use candle_core::{D, DType, Device, Result, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use heads::{ClassifierHead, Description, Head, Layer, Linear, Mode, Reduction};
///
/// struct UnitLength {
///     linear: Linear,
/// }
///
/// impl Layer for UnitLength {
///     fn forward(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
///         self.linear.forward(&self.pooled(features, mode)?, mode)
///     }
///
///     fn describe(&self, input: &[usize]) -> Result<Description> {
///         let linear = self.linear.describe(&[input.iter().product()])?;
///         Ok(Description::chain("UnitLength", input, vec![linear]))
///     }
/// }
///
/// impl ClassifierHead for UnitLength {
///     fn pooled(&self, features: &Tensor, _mode: Mode) -> Result<Tensor> {
///         let flat = features.flatten_from(1)?;
///         flat.broadcast_div(&flat.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?)
///     }
///
///     fn fixed_input(&self) -> bool {
///         true
///     }
/// }
///
/// let variables = VarMap::new();
/// let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
/// let head = Head::from(UnitLength { linear: Linear::new(3 * 4 * 4, 10, vb)? });
///
/// let features = Tensor::ones((2, 3, 4, 4), DType::F32, &Device::Cpu)?;
/// assert_eq!(head.forward(&features, Mode::Eval)?.dims(), [2, 10]);
/// assert_eq!(head.class_maps(&features)?.maps.dims(), [2, 10, 4, 4]);
/// assert_eq!(head.describe(&[3, 4, 4])?.params, 490);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub trait ClassifierHead: Layer {
    /// Computes the vector per image that the last layer with weights takes.
    ///
    /// # Shapes
    /// (N, C, …) → (N, D).
    ///
    /// # Errors
    /// Features that the head does not take.
    fn pooled(&self, features: &Tensor, mode: Mode) -> Result<Tensor>;

    /// Computes the evidence for each class at each position, in evaluation mode.
    ///
    /// By default this is gradient × activation (see [`gradient_times_activation`]), which is possible for every
    /// differentiable head.
    ///
    /// # Errors
    /// Features that the head does not take.
    fn class_maps(&self, features: &Tensor) -> Result<Evidence> {
        let shape = features.dims().get(1..).unwrap_or_default();
        let classes = self.describe(shape)?.output.iter().product();
        let maps = gradient_times_activation(features, classes, |f| self.forward(f, Mode::Eval))?;
        Ok(Evidence::new(maps, None, Reduction::None))
    }

    /// Adds what computes [`class_maps`](Self::class_maps) to a graph of operators, as
    /// [`Layer::export`] does for the logits, and returns the maps.
    ///
    /// # Errors
    /// By default always: gradients have no exported form. Only maps that are a formula of the features can be exported,
    /// such as class activation maps.
    fn export_class_maps(&self, features: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let _ = (features, graph, xs);
        bail!("the class maps of this head need gradients, which cannot be exported; its logits can")
    }

    /// Returns whether the head takes feature maps of one size only. By default it takes any size.
    fn fixed_input(&self) -> bool {
        false
    }
}
