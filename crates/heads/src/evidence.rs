use candle_core::{Result, Tensor, Var};

/// The evidence that a head finds for each class at each position of the feature map.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Evidence {
    /// One map per class, (N, K, L) or (N, K, H, W) for features (N, C, L) or (N, C, H, W). The bias is not included.
    pub maps: Tensor,
    /// The bias of the logits, (K), if the head has one that does not depend on the features.
    pub bias: Option<Tensor>,
    /// How the logits follow from the maps.
    pub reduction: Reduction,
}

impl Evidence {
    /// Returns the evidence that consists of the maps, the bias of the logits and the way the maps give the logits.
    pub fn new(maps: Tensor, bias: Option<Tensor>, reduction: Reduction) -> Self {
        Self { maps, bias, reduction }
    }
}

/// How the maps of an [`Evidence`] are reduced over their positions. With the bias added, the result is the logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reduction {
    /// The sum over all positions: each value is the contribution of its position to the logit.
    Sum,
    /// The mean over all positions.
    Mean,
    /// The maximum over all positions.
    Max,
    /// No reduction gives the logits. The maps show where a class is seen, but not how much each position contributes.
    None,
}

/// Computes the class activation map (Zhou et al. 2016): the product `w · f` of the class weights and the features at
/// each position.
///
/// # Shapes
/// `features` (N, C, …) and `weight` (K, C) → (N, K, …).
///
/// # Errors
/// Features without spatial axes, or a weight for another number of channels.
///
/// ```
/// use candle_core::{Device, Tensor};
///
/// let features = Tensor::new(&[[[1f32, 2.], [0., 3.]]], &Device::Cpu)?; // two channels, two positions
/// let weight = Tensor::new(&[[1f32, 10.]], &Device::Cpu)?; // one class
/// let maps = heads::class_activation_map(&features, &weight)?;
/// assert_eq!(maps.to_vec3::<f32>()?, [[[1., 32.]]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn class_activation_map(features: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let positions = features.flatten_from(2)?;
    let mut shape = features.dims().to_vec();
    shape[1] = weight.dim(0)?;
    ops::conv1d(&positions, &weight.unsqueeze(2)?, None, &Default::default())?.reshape(shape)
}

/// Computes gradient × activation, summed over the channels, for each class.
///
/// The function `logits` maps features (N, C, …) to logits (N, K) and is differentiated once per class. If the logits are
/// linear in the features, or in values that are each taken from one position as by max pooling, the maps are exactly
/// the contributions of the positions: with the bias added, their sum is the logits ([`Reduction::Sum`]).
///
/// # Shapes
/// `features` (N, C, …) → (N, `classes`, …).
///
/// # Errors
/// Errors of `logits`, and fewer than `classes` logits.
///
/// ```
/// use candle_core::{Device, Tensor};
///
/// let features = Tensor::new(&[[[1f32, 2.], [0., 3.]]], &Device::Cpu)?; // two channels, two positions
/// let maps = heads::gradient_times_activation(&features, 1, |f| f.sum(2)?.sum_keepdim(1))?;
/// assert_eq!(maps.to_vec3::<f32>()?, [[[1., 5.]]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn gradient_times_activation(
    features: &Tensor,
    classes: usize,
    logits: impl Fn(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let variable = Var::from_tensor(features)?;
    let logits = logits(variable.as_tensor())?;
    let mut maps = Vec::with_capacity(classes);
    for class in 0..classes {
        let gradients = logits.narrow(1, class, 1)?.sum_all()?.backward()?;
        let gradient = gradients.get(&variable).map_or_else(|| features.zeros_like(), |g| Ok(g.clone()))?;
        maps.push((gradient * features.detach())?.sum(1)?);
    }
    Tensor::stack(&maps, 1)
}
