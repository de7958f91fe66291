//! Pooling of a whole feature map, over one or more spatial axes, to one value per channel.

use candle_core::{Result, Shape, Tensor, bail};

use crate::{
    composed,
    cpu::{
        Gradients,
        avg_max_pool::AvgMaxPool,
        fast,
        pool::Regions,
        smooth_maximum::{Kind, SmoothMaximum},
    },
    pool_operator::{Pool, pool},
    precision,
    sizes::product,
    weighted::{self, BackwardArgs, Weighted},
};

/// Takes the average of each channel (Lin et al. 2013), like `torch.mean` over the spatial axes.
///
/// # Shapes
/// (N, C, L), (N, C, H, W) or more spatial axes → (N, C).
///
/// # Errors
/// Fails if the tensor has no spatial axes or is empty.
pub fn global_avg_pool(xs: &Tensor) -> Result<Tensor> {
    if precision::is_half(&[xs]) {
        return precision::in_f32([xs], |[xs]| global_avg_pool(&xs));
    }
    let [.., divisor] = sizes(xs)?;
    if !fast(&[xs]) {
        return xs.flatten_from(2)?.mean(2);
    }
    global(xs, |regions| Pool::Average { regions, divisor })
}

/// Takes the maximum of each channel (Oquab et al. 2015), like `torch.nn.functional.adaptive_max_pool2d(x, 1)`. The
/// gradient goes to one position per channel, the first maximum (candle's `max` sends it to every tied one).
///
/// # Shapes
/// The same as for [`global_avg_pool`].
///
/// # Errors
/// The same as for [`global_avg_pool`].
pub fn global_max_pool(xs: &Tensor) -> Result<Tensor> {
    if precision::is_half_on_cpu(&[xs]) {
        return precision::in_f32([xs], |[xs]| global_max_pool(&xs));
    }
    sizes(xs)?;
    if fast(&[xs]) { global(xs, Pool::max) } else { composed::max_last(&xs.flatten_from(2)?) }
}

/// Takes the average and the maximum of each channel, side by side: [`global_avg_pool`] and [`global_max_pool`] of the
/// features read once.
///
/// # Shapes
/// (N, C, L), (N, C, H, W) or more spatial axes → (N, 2·C), the averages first.
///
/// # Errors
/// The same as for [`global_avg_pool`].
pub fn global_avg_max_pool(xs: &Tensor) -> Result<Tensor> {
    if precision::is_half(&[xs]) {
        return precision::in_f32([xs], |[xs]| global_avg_max_pool(&xs));
    }
    let [batch, channels, positions] = sizes(xs)?;
    if !fast(&[xs]) {
        return Tensor::cat(&[global_avg_pool(xs)?, global_max_pool(xs)?], 1);
    }
    pool(xs, Pool::AverageAndMax(AvgMaxPool::new(channels, positions)), channels, (batch, 2 * channels))
}

/// Takes the generalised mean of each channel (GeM, Radenović et al. 2018), `(mean clamp(x, 1e-6)^p)^(1/p)`: the
/// average of non-negative features at p = 1, and the maximum as p → ∞.
///
/// A `p` that training has made smaller than 1e-3, zero or negative counts as 1e-3, where the result is close to the
/// geometric mean. It still gets the gradient of that value, so that it can grow again.
///
/// # Shapes
/// `xs` as for [`global_avg_pool`], `p` (1) → (N, C).
///
/// # Errors
/// The same as for [`global_avg_pool`]; fails also if `p` has another shape.
pub fn gem_pool(xs: &Tensor, p: &Tensor) -> Result<Tensor> {
    if precision::is_half(&[xs, p]) {
        return precision::in_f32([xs, p], |[xs, p]| gem_pool(&xs, &p));
    }
    check_parameter("gem_pool", "p", p)?;
    let sizes = sizes(xs)?;
    if fast(&[xs, p]) {
        return weighted::apply(xs, p, None, SmoothMaximumPool { kind: Kind::GeneralisedMean, sizes });
    }
    composed::gem_pool(&xs.flatten_from(2)?, p)
}

/// Takes the log-mean-exp of each channel (Pinheiro & Collobert 2015), `(1/r) log mean exp(r·x)`: the average as r → 0,
/// and the maximum as r → ∞.
///
/// An `r` that training has made smaller than 1e-3, zero or negative counts as 1e-3, where the result is close to the
/// average. It still gets the gradient of that value, so that it can grow again.
///
/// # Shapes
/// `xs` as for [`global_avg_pool`], `r` (1) → (N, C).
///
/// # Errors
/// The same as for [`global_avg_pool`]; fails also if `r` has another shape.
pub fn lse_pool(xs: &Tensor, r: &Tensor) -> Result<Tensor> {
    if precision::is_half(&[xs, r]) {
        return precision::in_f32([xs, r], |[xs, r]| lse_pool(&xs, &r));
    }
    check_parameter("lse_pool", "r", r)?;
    let sizes = sizes(xs)?;
    if fast(&[xs, r]) {
        return weighted::apply(xs, r, None, SmoothMaximumPool { kind: Kind::LogMeanExp, sizes });
    }
    composed::lse_pool(&xs.flatten_from(2)?, r)
}

/// Refuses a learnable parameter that is not a single number.
pub(crate) fn check_parameter(operator: &str, name: &str, parameter: &Tensor) -> Result<()> {
    if parameter.dims() != [1] {
        bail!("{operator}: a parameter {name} of shape {:?} is not possible; it must be (1)", parameter.dims())
    }
    Ok(())
}

/// Returns the numbers of images, channels and positions of (N, C, …).
pub(crate) fn sizes(xs: &Tensor) -> Result<[usize; 3]> {
    match xs.dims() {
        [batch, channels, spatial @ ..] if !spatial.is_empty() && xs.elem_count() > 0 => {
            Ok([*batch, *channels, product("global pooling: a plane", spatial)?])
        }
        dims => bail!("global pooling of {dims:?}: a feature map must be (N, C, L) or (N, C, H, W) and not empty"),
    }
}

/// The number of planes per parallel task.
const PLANES_PER_TASK: usize = 16;

/// Pools an f32 tensor (N, C, …) on the CPU.
fn global(xs: &Tensor, of: impl FnOnce(Regions) -> Pool) -> Result<Tensor> {
    let [batch, channels, positions] = sizes(xs)?;
    pool(xs, of(Regions::whole([1, positions])), PLANES_PER_TASK, (batch, channels))
}

/// A pooling whose parameter takes the place of the weights.
struct SmoothMaximumPool {
    kind: Kind,
    /// The numbers of images, channels and positions.
    sizes: [usize; 3],
}

impl Weighted for SmoothMaximumPool {
    fn name(&self) -> &'static str {
        "smooth-maximum-pool"
    }

    fn forward(&self, x: &[f32], parameter: &[f32], _: Option<&[f32]>) -> (Vec<f32>, Shape) {
        let [batch, channels, plane] = self.sizes;
        (SmoothMaximum::new(self.kind, parameter[0]).forward(x, plane), Shape::from((batch, channels)))
    }

    fn backward(&self, args: BackwardArgs) -> Result<Gradients> {
        let pooling = SmoothMaximum::new(self.kind, args.weight[0]);
        let (dx, of_parameter) = pooling.backward(args.x, self.sizes[2], args.dy);
        let weight = args.want_dw.then(|| vec![of_parameter]);
        Ok(Gradients { x: args.want_dx.then_some(dx), weight, bias: Vec::new() })
    }
}
