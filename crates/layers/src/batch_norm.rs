use crate::{Description, Layer, Mode};
use candle_core::{Result, Tensor, Var, bail};
use candle_nn::{Init, VarBuilder};
use ops::BatchStatistics;

/// The settings of a [`BatchNorm`]; the defaults are PyTorch's.
#[derive(Debug, Clone, Copy)]
pub struct BatchNormConfig {
    /// Added to the variance.
    pub eps: f64,
    /// The weight of the batch at hand in the running statistics.
    pub momentum: f64,
}

impl Default for BatchNormConfig {
    fn default() -> Self {
        Self { eps: 1e-5, momentum: 0.1 }
    }
}

/// Batch normalisation (Ioffe & Szegedy 2015), as `torch.nn.BatchNorm1d` and `BatchNorm2d`: by the batch's statistics
/// in training, which the running ones follow; by the running ones otherwise.
#[derive(Debug, Clone)]
pub struct BatchNorm {
    pub(crate) weight: Tensor,
    pub(crate) bias: Tensor,
    running_mean: Var,
    running_var: Var,
    pub(crate) config: BatchNormConfig,
    pub(crate) relu: bool,
}

impl BatchNorm {
    /// Parameters `weight` (ones) and `bias` (zeros); `running_mean` and `running_var` are kept beside them, updated
    /// in place where the builder hands out variables.
    pub fn new(channels: usize, config: BatchNormConfig, vb: VarBuilder) -> Result<Self> {
        let get = |name, value| vb.get_with_hints(channels, name, Init::Const(value));
        Ok(Self {
            weight: get("weight", 1.)?,
            bias: get("bias", 0.)?,
            running_mean: Var::from_tensor(&get("running_mean", 0.)?)?,
            running_var: Var::from_tensor(&get("running_var", 1.)?)?,
            config,
            relu: false,
        })
    }

    /// The running statistics follow those of a batch.
    pub(crate) fn follow(&self, batch: &BatchStatistics) -> Result<()> {
        let momentum = self.config.momentum;
        for (running, batch) in [(&self.running_mean, &batch.mean), (&self.running_var, &batch.var)] {
            running.set(&(running.as_detached_tensor().affine(1. - momentum, 0.)? + batch.affine(momentum, 0.)?)?)?;
        }
        Ok(())
    }

    /// The weights (C, …) and bias of a convolution before this layer, with what this one does in inference worked in.
    pub(crate) fn fold(&self, weight: &Tensor, bias: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let var = self.running_var.as_detached_tensor();
        let scale = self.weight.detach().div(&(var + self.config.eps)?.sqrt()?)?;
        let mut shape = vec![1; weight.rank()];
        shape[0] = scale.elem_count();
        let mean = self.running_mean.as_detached_tensor();
        let centre = if let Some(bias) = bias { (bias - mean)? } else { mean.neg()? };
        Ok((weight.broadcast_mul(&scale.reshape(shape)?)?, ((centre * scale)? + self.bias.detach())?))
    }
}

impl Layer for BatchNorm {
    /// (N, C), (N, C, L) or (N, C, H, W) → the same
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        if let Mode::Train { .. } = mode {
            let (ys, statistics) = ops::batch_norm_train(xs, &self.weight, &self.bias, self.config.eps, self.relu)?;
            self.follow(&statistics)?;
            Ok(ys)
        } else {
            let (weight, bias) = (mode.parameter(&self.weight), mode.parameter(&self.bias));
            let (mean, var) = (self.running_mean.as_detached_tensor(), self.running_var.as_detached_tensor());
            ops::batch_norm(xs, &weight, &bias, &BatchStatistics { mean, var }, self.config.eps, self.relu)
        }
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        let channels = self.weight.dim(0)?;
        if input.first() != Some(&channels) {
            bail!("batch normalisation of {channels} channels does not take a shape of {input:?}")
        }
        let description = Description::pointwise(format!("BatchNorm({channels})"), input.to_vec());
        Ok(Description { buffers: 2 * channels, ..description.with_params(2 * channels) })
    }
}
