use candle_core::{Result, Tensor, Var, bail};
use candle_nn::{Init, VarBuilder};
use ops::BatchStatistics;

use crate::{
    description::Description,
    graph::{Graph, Value},
    layer::{Layer, Mode},
};

/// The options of a [`BatchNorm`]; the defaults are PyTorch's.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct BatchNormOptions {
    /// The number that is added to the variance, by default 1e-5.
    pub eps: f64,
    /// The weight of a batch in the running statistics, by default 0.1.
    pub momentum: f64,
}

impl BatchNormOptions {
    /// Sets the number that is added to the variance.
    pub fn eps(self, eps: f64) -> Self {
        Self { eps, ..self }
    }

    /// Sets the weight of a batch in the running statistics.
    pub fn momentum(self, momentum: f64) -> Self {
        Self { momentum, ..self }
    }
}

impl Default for BatchNormOptions {
    fn default() -> Self {
        Self { eps: 1e-5, momentum: 0.1 }
    }
}

/// Batch normalisation (Ioffe & Szegedy 2015), as `torch.nn.BatchNorm1d` and `torch.nn.BatchNorm2d`.
///
/// In training it uses the statistics of the batch and updates the running statistics with them. In evaluation and inference
/// it uses the running statistics.
///
/// # Shapes
/// (N, C), (N, C, L) or (N, C, H, W) → the same.
#[derive(Debug, Clone)]
pub struct BatchNorm {
    pub(crate) weight: Tensor,
    pub(crate) bias: Tensor,
    running_mean: Var,
    running_var: Var,
    pub(crate) options: BatchNormOptions,
}

impl BatchNorm {
    /// Builds the layer with the parameters `weight` (ones) and `bias` (zeros).
    ///
    /// The running statistics `running_mean` and `running_var` are taken from `vb`, too. They are updated in place if `vb`
    /// returns variables, as that of a `VarMap` does.
    ///
    /// # Errors
    /// Fails if `vb` has tensors of these names in other shapes.
    pub fn new(channels: usize, options: BatchNormOptions, vb: VarBuilder) -> Result<Self> {
        let get = |name, value| vb.get_with_hints(channels, name, Init::Const(value));
        Ok(Self {
            weight: get("weight", 1.)?,
            bias: get("bias", 0.)?,
            running_mean: Var::from_tensor(&get("running_mean", 0.)?)?,
            running_var: Var::from_tensor(&get("running_var", 1.)?)?,
            options,
        })
    }

    /// Computes the layer, followed by a ReLU if `relu`.
    pub(crate) fn forward_with_relu(&self, xs: &Tensor, mode: Mode, relu: bool) -> Result<Tensor> {
        let eps = self.options.eps;
        if let Mode::Train { .. } = mode {
            let (ys, statistics) = ops::batch_norm_train(xs, &self.weight, &self.bias, eps, relu)?;
            self.update_running_statistics(&statistics)?;
            Ok(ys)
        } else {
            let (weight, bias) = (mode.parameter(&self.weight), mode.parameter(&self.bias));
            ops::batch_norm(xs, &weight, &bias, &self.running_statistics(), eps, relu)
        }
    }

    /// Returns the running statistics.
    pub(crate) fn running_statistics(&self) -> BatchStatistics {
        BatchStatistics { mean: self.running_mean.as_detached_tensor(), var: self.running_var.as_detached_tensor() }
    }

    /// Moves the running statistics towards those of a batch.
    pub(crate) fn update_running_statistics(&self, batch: &BatchStatistics) -> Result<()> {
        let momentum = self.options.momentum;
        for (running, batch) in [(&self.running_mean, &batch.mean), (&self.running_var, &batch.var)] {
            running.set(&(running.as_detached_tensor().affine(1. - momentum, 0.)? + batch.affine(momentum, 0.)?)?)?;
        }
        Ok(())
    }

    /// Folds the layer, as it is in inference, into the weight (C, …) and bias of the preceding convolution.
    pub(crate) fn fold_into(&self, weight: &Tensor, bias: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let var = self.running_var.as_detached_tensor();
        let scale = self.weight.detach().div(&(var + self.options.eps)?.sqrt()?)?;
        let mut shape = vec![1; weight.rank()];
        shape[0] = scale.elem_count();
        let mean = self.running_mean.as_detached_tensor();
        let centre = if let Some(bias) = bias { (bias - mean)? } else { mean.neg()? };
        Ok((weight.broadcast_mul(&scale.reshape(shape)?)?, ((centre * scale)? + self.bias.detach())?))
    }
}

impl Layer for BatchNorm {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        self.forward_with_relu(xs, mode, false)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        let channels = self.weight.dim(0)?;
        if input.first() != Some(&channels) {
            bail!("BatchNorm({channels}) does not take an input of {input:?}; it needs {channels} channels")
        }
        let description = Description::pointwise(format!("BatchNorm({channels})"), input.to_vec());
        Ok(description.with_params(2 * channels).with_buffers(2 * channels))
    }

    fn export(&self, _input: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let [weight, bias] = [("weight", &self.weight), ("bias", &self.bias)];
        let [mean, var] =
            [("running_mean", self.running_mean.as_tensor()), ("running_var", self.running_var.as_tensor())];
        let mut inputs = vec![xs.clone()];
        for (name, tensor) in [weight, bias, mean, var] {
            inputs.push(graph.parameter(name, tensor)?);
        }
        let inputs: Vec<&Value> = inputs.iter().collect();
        Ok(graph.node("BatchNormalization", &inputs, &[("epsilon", self.options.eps.into())]))
    }
}
