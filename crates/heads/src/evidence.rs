use candle_core::{Result, Tensor, Var};

/// Where a head sees evidence for each class.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// (N, K, …) on the positions of the feature map, without the bias.
    pub maps: Tensor,
    /// (K)
    pub bias: Option<Tensor>,
    pub reduction: Reduction,
}

/// How maps, plus the bias, give the logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    Sum,
    Mean,
    Max,
    /// They do not: the maps show where, not how much.
    None,
}

/// The class activation map (Zhou et al. 2016): `w · f` at each position, for `weight` (K, C) → (N, K, …).
pub(crate) fn class_activation_map(features: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let mut shape = features.dims().to_vec();
    shape[1] = weight.dim(0)?;
    ops::conv1d(&features.flatten_from(2)?, &weight.unsqueeze(2)?, None, &Default::default())?.reshape(shape)
}

/// Gradient × activation, summed over channels: for a head that is linear in the features (or picks them), exactly
/// what each position contributes to each logit.
pub(crate) fn gradient_times_activation(
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
