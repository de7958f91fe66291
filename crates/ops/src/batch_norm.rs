use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};

use crate::{
    composed,
    cpu::{self, batch_norm as kernel, fast, map_order::MapOrder, pixels::PerChannel, read},
    precision,
    sizes::product,
};

/// The mean and variance of each channel, given to a batch normalisation or computed by one.
#[derive(Debug, Clone)]
pub struct BatchStatistics {
    /// The mean of each channel, (C).
    pub mean: Tensor,
    /// The variance of each channel, (C). [`batch_norm_train`] returns the *unbiased* variance (divided by N·L − 1),
    /// which PyTorch's running statistics follow.
    pub var: Tensor,
}

impl BatchStatistics {
    pub(crate) fn to_dtype(&self, dtype: DType) -> Result<Self> {
        Ok(Self { mean: self.mean.to_dtype(dtype)?, var: self.var.to_dtype(dtype)? })
    }
}

/// Normalises each channel with the statistics of the batch itself (Ioffe & Szegedy 2015), like
/// `torch.nn.functional.batch_norm` with `training=True`, followed by a ReLU if `relu`.
///
/// # Shapes
/// `xs` (N, C), (N, C, L) or (N, C, H, W), `gamma` and `beta` (C) → the shape of `xs`, and statistics (C).
///
/// # Errors
/// Fails if the shapes do not fit each other, or if there is a single value per channel, which has no variance.
pub fn batch_norm_train(
    xs: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    eps: f64,
    relu: bool,
) -> Result<(Tensor, BatchStatistics)> {
    if precision::is_half(&[xs, gamma, beta]) {
        let [wide, gamma, beta] = precision::to_f32([xs, gamma, beta])?;
        let (ys, statistics) = batch_norm_train(&wide, &gamma, &beta, eps, relu)?;
        return Ok((ys.to_dtype(xs.dtype())?, statistics.to_dtype(xs.dtype())?));
    }
    let dims = dims_of(xs, gamma, beta)?;
    let [n, c, l] = dims;
    if n * l < 2 {
        bail!("batch_norm: a batch {:?} has no variance; it needs more than one value per channel", xs.dims())
    }
    if !fast(&[xs, gamma, beta]) {
        let flat = xs.reshape(dims.to_vec())?;
        let mean = flat.mean_keepdim((0, 2))?;
        let var = flat.broadcast_sub(&mean)?.sqr()?.mean_keepdim((0, 2))?;
        let ys = normalise(&flat, gamma, beta, &mean, &var, eps, relu)?.reshape(xs.shape())?;
        let var = var.detach().affine(kernel::unbiasing_factor(n * l), 0.)?.reshape(c)?;
        // A copy, because the backward pass reads the mean itself.
        return Ok((ys, BatchStatistics { mean: mean.detach().copy()?.reshape(c)?, var }));
    }
    let xs = xs.contiguous()?;
    let (mean, var) = {
        let x = read(&xs)?;
        kernel::statistics(l, c, &kernel::batch_moments(&x, dims))
    };
    let unbiased = kernel::unbiased(&var, n * l);
    let statistics = BatchStatistics {
        mean: Tensor::from_slice(&mean, c, xs.device())?,
        var: Tensor::from_vec(unbiased, c, xs.device())?,
    };
    Ok((apply(&xs, gamma, beta, BatchNorm::new(dims, mean, &var, eps, true, relu))?, statistics))
}

/// Normalises each channel with the given statistics, like `torch.nn.functional.batch_norm` with `training=False`,
/// followed by a ReLU if `relu`. Mean and variance are constants for the gradient.
///
/// # Shapes
/// The same as for [`batch_norm_train`].
///
/// # Errors
/// Fails if the shapes do not fit each other.
pub fn batch_norm(
    xs: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    statistics: &BatchStatistics,
    eps: f64,
    relu: bool,
) -> Result<Tensor> {
    if precision::is_half(&[xs, gamma, beta]) {
        let statistics = statistics.to_dtype(DType::F32)?;
        return precision::in_f32([xs, gamma, beta], |[xs, gamma, beta]| {
            batch_norm(&xs, &gamma, &beta, &statistics, eps, relu)
        });
    }
    let dims = dims_of(xs, gamma, beta)?;
    let (mean, var) = (&statistics.mean, &statistics.var);
    if mean.dims() != gamma.dims() || var.dims() != gamma.dims() {
        bail!("batch_norm: statistics {:?} and {:?} do not fit an input {:?}", mean.dims(), var.dims(), xs.dims())
    }
    if !fast(&[xs, gamma, beta]) {
        // Copies, because the backward pass reads them, and running statistics are updated in place until then.
        let [mean, var] = [mean, var].map(|t| t.detach().copy()?.reshape((1, dims[1], 1)));
        return normalise(&xs.reshape(dims.to_vec())?, gamma, beta, &mean?, &var?, eps, relu)?.reshape(xs.shape());
    }
    let op = BatchNorm::new(dims, mean.to_vec1()?, &var.to_vec1::<f32>()?, eps, false, relu);
    apply(&xs.contiguous()?, gamma, beta, op)
}

/// Returns the numbers of images, channels and positions, or an error if the tensors do not fit each other.
fn dims_of(xs: &Tensor, gamma: &Tensor, beta: &Tensor) -> Result<[usize; 3]> {
    if xs.rank() < 2 || gamma.dims() != [xs.dim(1)?] || beta.dims() != gamma.dims() {
        let (gamma, beta, xs) = (gamma.dims(), beta.dims(), xs.dims());
        bail!("batch_norm: gamma {gamma:?} and beta {beta:?} do not fit an input {xs:?}; possible: (C) for (N, C, …)")
    }
    let positions = product("batch_norm: a plane", &xs.dims()[2..])?;
    if positions == 0 {
        bail!("batch_norm: an input {:?} has no positions", xs.dims())
    }
    Ok([xs.dim(0)?, xs.dim(1)?, positions])
}

fn apply(xs: &Tensor, gamma: &Tensor, beta: &Tensor, op: BatchNorm) -> Result<Tensor> {
    xs.apply_op3(&gamma.contiguous()?, &beta.contiguous()?, op)
}

/// Normalises (N, C, L) with statistics (1, C, 1) by candle operators.
fn normalise(
    xs: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    mean: &Tensor,
    var: &Tensor,
    eps: f64,
    relu: bool,
) -> Result<Tensor> {
    let normalised = xs.broadcast_sub(mean)?.broadcast_div(&(var + eps)?.sqrt()?)?;
    let [gamma, beta] = [gamma, beta].map(|t| t.reshape((1, (), 1)));
    let ys = normalised.broadcast_mul(&gamma?)?.broadcast_add(&beta?)?;
    if relu { composed::relu(&ys) } else { Ok(ys) }
}

struct BatchNorm {
    dims: [usize; 3],
    mean: Vec<f32>,
    /// 1 / √(var + ε)
    inverse_std: Vec<f32>,
    /// True if mean and variance are those of the batch, and so depend on the input.
    of_batch: bool,
    relu: bool,
}

impl BatchNorm {
    fn new(dims: [usize; 3], mean: Vec<f32>, var: &[f32], eps: f64, of_batch: bool, relu: bool) -> Self {
        Self { dims, mean, inverse_std: kernel::inverse_std(var, eps), of_batch, relu }
    }
}

impl CustomOp3 for BatchNorm {
    fn name(&self) -> &'static str {
        "batch-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        gamma: &CpuStorage,
        lg: &Layout,
        beta: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (gamma, beta) = (cpu::storage(gamma, lg)?, cpu::storage(beta, lb)?);
        let affine = kernel::affine(gamma, beta, &self.mean, &self.inverse_std);
        let affine = PerChannel::new(affine, MapOrder::Planes);
        let y = kernel::forward(cpu::storage(x, lx)?, self.dims[1] * self.dims[2], &affine, self.relu);
        Ok((CpuStorage::F32(y), lx.shape().clone()))
    }

    fn bwd(
        &self,
        xs: &Tensor,
        gamma_tensor: &Tensor,
        beta: &Tensor,
        ys: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (grad, device, [n, c, l]) = (grad.contiguous()?, xs.device(), self.dims);
        let (x, gamma, dy) = (read(xs)?, read(gamma_tensor)?, read(&grad)?);
        let masked: Vec<f32>;
        let dy = if self.relu {
            masked = cpu::relu::backward(&read(ys)?, &dy);
            &masked[..]
        } else {
            &dy[..]
        };
        let of_sums = self.mean.iter().map(|&mean| [mean, kernel::NO_MASK[0], kernel::NO_MASK[1]]).collect();
        let of_sums = PerChannel::new(of_sums, MapOrder::Planes);
        let sums = kernel::batch_sums(&x, dy, c * l, &of_sums);
        let (sum, centred) = kernel::sums_over_batch(&sums, c);
        let dx = if xs.track_op() {
            // The statistics depend on the input only if they are those of the batch.
            let zeros = vec![0.; c];
            let totals = if self.of_batch { [&sum, &centred] } else { [&zeros; 2] };
            let of_input =
                kernel::input_coefficients(&gamma, &self.inverse_std, totals.map(|t| &t[..]), n * l, &of_sums);
            let dx = kernel::backward_x(&x, dy, c * l, &PerChannel::new(of_input, MapOrder::Planes));
            Some(Tensor::from_vec(dx, xs.shape(), device)?)
        } else {
            None
        };
        let dgamma: Vec<f32> = centred.iter().zip(&self.inverse_std).map(|(s, i)| s * i).collect();
        let dgamma = gamma_tensor.track_op().then(|| Tensor::from_vec(dgamma, c, device)).transpose()?;
        let dbeta = beta.track_op().then(|| Tensor::from_vec(sum, c, device)).transpose()?;
        Ok((dx, dgamma, dbeta))
    }
}
