use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Device, Layout, Result, Shape, Tensor};

use crate::backward::hand_over_values;

/// The gradients of parameters, between the operator that computes them and the nodes of the graph that take them.
pub type Gradients = Arc<Mutex<Vec<Option<Vec<f32>>>>>;

/// Ties parameters to a graph: returns a tensor with one value that depends on all of them. An operator of candle has three
/// arguments at most; one with more parameters takes this tensor in their place, and leaves their gradients in `gradients`,
/// in the same order, when its backward pass runs.
pub fn tie(parameters: &[Tensor], gradients: &Gradients) -> Result<Tensor> {
    let mut tied = Tensor::new(0f32, &Device::Cpu)?;
    for (i, pair) in parameters.chunks(2).enumerate() {
        let node = Tie { first: 2 * i, gradients: Arc::clone(gradients) };
        tied = match pair {
            [a, b] => tied.apply_op3(a, b, node)?,
            [a] => tied.apply_op2(a, node)?,
            _ => unreachable!("chunks of two"),
        };
    }
    Ok(tied)
}

/// A node that ties one or two parameters to those before.
struct Tie {
    /// The number of parameters before.
    first: usize,
    gradients: Gradients,
}

impl Tie {
    /// Takes the gradient of the parameter with this index among those of the node.
    fn take(&self, index: usize, parameter: &Tensor) -> Result<Option<Tensor>> {
        let mut gradients = self.gradients.lock().unwrap_or_else(PoisonError::into_inner);
        hand_over_values(parameter, gradients.get_mut(self.first + index).and_then(Option::take))
    }
}

/// The one value, which nothing reads.
fn value() -> (CpuStorage, Shape) {
    (CpuStorage::F32(vec![0.]), Shape::from(()))
}

impl CustomOp2 for Tie {
    fn name(&self) -> &'static str {
        "tie"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(value())
    }

    fn bwd(&self, tied: &Tensor, a: &Tensor, _: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((tied.track_op().then(|| grad.clone()), self.take(0, a)?))
    }
}

impl CustomOp3 for Tie {
    fn name(&self) -> &'static str {
        "tie"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok(value())
    }

    fn bwd(
        &self,
        tied: &Tensor,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        Ok((tied.track_op().then(|| grad.clone()), self.take(0, a)?, self.take(1, b)?))
    }
}
