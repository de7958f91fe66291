use candle_core::{Result, Tensor, bail};
use layers::{
    graph::{Graph, Value},
    prepare_with,
};

use crate::{
    Description, Evidence, Layer, Linear, Mode, Prepared, Reduction, class_activation_map, gradient_times_activation,
};

/// A pooling of all positions of a feature map to one vector per image, for use in a [`PoolLinear`](crate::PoolLinear).
///
/// Only [`name`](Self::name) and [`pool`](Self::pool) are required. A pooling that has parameters overrides
/// [`describe`](Self::describe) to count them, one that does not give one value per channel overrides
/// [`outputs`](Self::outputs).
///
/// The global minimum as a pooling:
///
/// ```
/// use candle_core::{DType, Device, Result, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use heads::{Head, Layer, Mode, PoolLinear, Pooling, ops};
///
/// struct Min;
///
/// impl Pooling for Min {
///     fn name(&self) -> &str {
///         "GlobalMinPool"
///     }
///
///     fn pool(&self, features: &Tensor, _mode: Mode) -> Result<Tensor> {
///         ops::global_max_pool(&features.neg()?)?.neg()
///     }
/// }
///
/// let variables = VarMap::new();
/// let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
/// let head = Head::from(PoolLinear::new(Min, 64, 10, vb)?); // 64 channels, 10 classes
///
/// let features = Tensor::ones((8, 64, 5, 5), DType::F32, &Device::Cpu)?;
/// assert_eq!(head.forward(&features, Mode::Eval)?.dims(), [8, 10]);
/// assert_eq!(head.class_maps(&features)?.maps.dims(), [8, 10, 5, 5]);
/// assert_eq!(head.describe(&[64, 5, 5])?.params, 650);
///
/// let mut logits = [0.; 10];
/// head.prepare(&[64, 5, 5])?.run(&[1.; 64 * 5 * 5], &mut logits)?;
/// # Ok::<(), candle_core::Error>(())
/// ```
pub trait Pooling: Send + Sync {
    /// Returns the name of the pooling in descriptions, such as `GlobalAvgPool`.
    fn name(&self) -> &str;

    /// Pools the features.
    ///
    /// # Shapes
    /// (N, C, L) or (N, C, H, W) → (N, D), where D is [`outputs(C)`](Self::outputs).
    ///
    /// # Errors
    /// Features that the pooling does not take.
    fn pool(&self, features: &Tensor, mode: Mode) -> Result<Tensor>;

    /// Returns the number of values per image for features of `channels` channels. By default it is one per channel.
    fn outputs(&self, channels: usize) -> usize {
        channels
    }

    /// Describes the pooling of features of the shape (C, L) or (C, H, W). By default it has no parameters and no
    /// multiply-accumulates.
    ///
    /// # Errors
    /// A shape that the pooling does not take.
    fn describe(&self, features: &[usize]) -> Result<Description> {
        let channels = features.first().copied().unwrap_or_default();
        Ok(Description::global(self.name(), vec![self.outputs(channels)]))
    }

    /// Prepares the pooling for inference on features of the shape (C, L) or (C, H, W), f32 on the CPU. By default
    /// [`pool`](Self::pool) is called.
    ///
    /// # Errors
    /// A shape that the pooling does not take.
    fn prepare(&self, features: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        let outputs = self.describe(features)?.output.iter().product();
        Ok(prepare_with(features, outputs, |xs| self.pool(xs, Mode::Inference)))
    }

    /// Computes the evidence for each class at each position, where `linear` maps the pooled vectors to logits.
    ///
    /// By default these are class activation maps (see [`class_activation_map`]) if the pooling gives one value per
    /// channel, and gradient × activation (see [`gradient_times_activation`]) otherwise, both with [`Reduction::None`].
    /// Override this if the maps can be reduced to the logits, or if a value does not come from the channel of the same
    /// index.
    ///
    /// # Errors
    /// Features that the pooling does not take.
    fn class_maps(&self, features: &Tensor, linear: &Linear) -> Result<Evidence> {
        let channels = features.dim(1)?;
        let maps = if self.outputs(channels) == channels {
            class_activation_map(features, linear.weight())?
        } else {
            contributions(self, features, linear)?
        };
        Ok(Evidence::new(maps, Some(linear.bias().clone()), Reduction::None))
    }

    /// Adds the pooling to a graph of operators, as [`Layer::export`] does, and returns the vectors (N, D).
    ///
    /// # Errors
    /// By default always: a pooling of another crate can only be exported if it implements this method.
    fn export(&self, features: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let _ = (features, graph, xs);
        bail!("the pooling {} cannot be exported; it would have to implement `Pooling::export`", self.name())
    }

    /// Adds what computes [`class_maps`](Self::class_maps) to a graph of operators and returns the maps. For class
    /// activation maps, [`export_class_activation_map`](crate::export_class_activation_map) does so.
    ///
    /// # Errors
    /// By default always, as for [`ClassifierHead::export_class_maps`](crate::ClassifierHead::export_class_maps).
    fn export_class_maps(&self, linear: &Linear, features: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let _ = (linear, features, graph, xs);
        bail!("the class maps of {} need gradients, which cannot be exported; its logits can", self.name())
    }
}

impl Pooling for Box<dyn Pooling> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn pool(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        (**self).pool(features, mode)
    }

    fn outputs(&self, channels: usize) -> usize {
        (**self).outputs(channels)
    }

    fn describe(&self, features: &[usize]) -> Result<Description> {
        (**self).describe(features)
    }

    fn prepare(&self, features: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        (**self).prepare(features)
    }

    fn class_maps(&self, features: &Tensor, linear: &Linear) -> Result<Evidence> {
        (**self).class_maps(features, linear)
    }

    fn export(&self, features: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        (**self).export(features, graph, xs)
    }

    fn export_class_maps(&self, linear: &Linear, features: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        (**self).export_class_maps(linear, features, graph, xs)
    }
}

/// Computes gradient × activation through a pooling and a linear layer.
pub(crate) fn contributions(pooling: &(impl Pooling + ?Sized), features: &Tensor, linear: &Linear) -> Result<Tensor> {
    let classes = linear.bias().dim(0)?;
    gradient_times_activation(features, classes, |f| linear.forward(&pooling.pool(f, Mode::Eval)?, Mode::Eval))
}

/// Checks that a feature shape without the batch axis is (C, L) or (C, H, W) with this number of channels.
pub(crate) fn check_channels(features: &[usize], channels: usize) -> Result<()> {
    if features.len() < 2 || features[0] != channels {
        bail!("the head does not take features {features:?}; it is built for ({channels}, L) or ({channels}, H, W)")
    }
    Ok(())
}
