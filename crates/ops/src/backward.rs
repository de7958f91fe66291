//! A backward pass that keeps the gradients of variables as the operators compute them.

use std::{
    cell::RefCell,
    collections::{HashMap, hash_map::Entry},
};

use candle_core::{Result, Tensor, TensorId, backprop::GradStore};

/// The gradients of variables, in a backward pass.
type Gradients = HashMap<TensorId, Tensor>;

thread_local! {
    /// `None` outside of [`backward`] and [`Tape::backward`](crate::Tape::backward).
    static GRADIENTS: RefCell<Option<Gradients>> = const { RefCell::new(None) };
}

/// Computes the gradients of all variables that a loss depends on, as [`Tensor::backward`] does, and faster.
///
/// Candle adds every gradient to a tensor of zeros, on one thread. Here the convolutions and linear layers of this crate
/// hand over the gradients of their weights and biases as they are. A [`Tape`](crate::Tape) spares intermediate results the
/// addition as well.
///
/// # Errors
/// The same as for [`Tensor::backward`].
///
/// # Example
///
/// ```
/// use candle_core::{Device, Tensor, Var};
///
/// # fn main() -> candle_core::Result<()> {
/// let x = Tensor::ones((2, 3), candle_core::DType::F32, &Device::Cpu)?;
/// let weight = Var::zeros((4, 3), candle_core::DType::F32, &Device::Cpu)?;
/// let loss = ops::linear(&x, &weight, None)?.sum_all()?;
/// let gradients = ops::backward(&loss)?;
/// assert_eq!(gradients.get(&weight).unwrap().to_vec2::<f32>()?, vec![vec![2.; 3]; 4]);
/// # Ok(())
/// # }
/// ```
pub fn backward(loss: &Tensor) -> Result<GradStore> {
    let handed = Handed::start();
    let mut store = loss.backward()?;
    handed.add_to(&mut store)?;
    Ok(store)
}

/// Takes the gradient of an operator's argument for [`backward`] or [`Tape::backward`](crate::Tape::backward), or returns it for
/// candle: outside of these functions, and if the argument is no variable.
pub(crate) fn hand_over(argument: &Tensor, gradient: Tensor) -> Result<Option<Tensor>> {
    GRADIENTS.with_borrow_mut(|gradients| {
        let Some(gradients) = gradients.as_mut().filter(|_| argument.is_variable()) else { return Ok(Some(gradient)) };
        match gradients.entry(argument.id()) {
            Entry::Vacant(entry) => {
                entry.insert(gradient);
            }
            Entry::Occupied(mut entry) => {
                let sum = (entry.get() + gradient)?;
                entry.insert(sum);
            }
        }
        Ok(None)
    })
}

/// Does what [`hand_over`] does with the values of a gradient, if there are any and the argument takes part in a graph.
pub(crate) fn hand_over_values(argument: &Tensor, gradient: Option<Vec<f32>>) -> Result<Option<Tensor>> {
    match gradient.filter(|_| argument.track_op()) {
        Some(values) => hand_over(argument, Tensor::from_vec(values, argument.shape(), argument.device())?),
        None => Ok(None),
    }
}

/// The gradients that operators hand over, from [`start`](Self::start) on. Dropping it restores what was before, also after an
/// error.
pub(crate) struct Handed {
    outer: Option<Gradients>,
}

impl Handed {
    pub fn start() -> Self {
        Self { outer: GRADIENTS.replace(Some(Gradients::new())) }
    }

    /// Takes the gradient of a tensor, if it has been handed over.
    pub fn take(&self, tensor: &Tensor) -> Option<Tensor> {
        GRADIENTS.with_borrow_mut(|gradients| gradients.as_mut()?.remove(&tensor.id()))
    }

    /// Adds the gradients to those that candle has computed.
    pub fn add_to(self, store: &mut GradStore) -> Result<()> {
        for (id, gradient) in GRADIENTS.take().unwrap_or_default() {
            // A variable may also be the argument of other operators.
            let gradient = match store.get_id(id) {
                Some(rest) => (rest + gradient)?,
                None => gradient,
            };
            store.insert_id(id, gradient);
        }
        Ok(())
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        GRADIENTS.set(self.outer.take());
    }
}
