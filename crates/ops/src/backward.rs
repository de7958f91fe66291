//! A backward pass that keeps the gradients of variables as the operators compute them.

use std::{
    cell::RefCell,
    collections::{HashMap, hash_map::Entry},
};

use candle_core::{Result, Tensor, TensorId, backprop::GradStore};

/// The gradients of the variables of a backward pass that [`backward`] is computing.
type Gradients = HashMap<TensorId, Tensor>;

thread_local! {
    /// `None` outside of [`backward`].
    static GRADIENTS: RefCell<Option<Gradients>> = const { RefCell::new(None) };
}

/// Computes the gradients of all variables that a loss depends on, as [`Tensor::backward`] does, and faster.
///
/// Candle adds every gradient to a tensor of zeros, on one thread. Here the convolutions and linear layers of this crate
/// hand over the gradients of their weights and biases as they are.
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
    let (scope, mut store) = (Scope::begin(), loss.backward()?);
    for (id, gradient) in scope.end() {
        // A variable may also be the argument of other operators.
        let gradient = match store.get_id(id) {
            Some(rest) => (rest + gradient)?,
            None => gradient,
        };
        store.insert_id(id, gradient);
    }
    Ok(store)
}

/// Takes the gradient of an operator's argument for [`backward`], or returns it for candle: outside of that function, and if
/// the argument is no variable.
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

/// The time of a backward pass. Dropping it restores what was before, also after an error.
struct Scope {
    outer: Option<Gradients>,
}

impl Scope {
    fn begin() -> Self {
        Self { outer: GRADIENTS.replace(Some(Gradients::new())) }
    }

    /// Returns the gradients that were handed over.
    fn end(self) -> Gradients {
        GRADIENTS.take().unwrap_or_default()
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        GRADIENTS.set(self.outer.take());
    }
}
