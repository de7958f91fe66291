//! A tape of operators, whose gradients are computed without candle's graph.

use std::cell::RefCell;

use candle_core::{Device, Result, Shape, Tensor, Var, backprop::GradStore};

use crate::backward::Handed;

thread_local! {
    /// The operators that the thread has recorded on its current tape; `None` if it has no tape.
    static RECORDS: RefCell<Option<Vec<Record>>> = const { RefCell::new(None) };
}

/// An operator that was applied.
struct Record {
    result: Tensor,
    backward: Box<Backward>,
}

/// Hands over the gradients of an operator's arguments, given its result and the gradient of the result.
type Backward = dyn FnOnce(&Tensor, &Tensor) -> Result<()>;

/// Records the operators of this crate that the thread applies, from [`start`](Tape::start) to [`backward`](Tape::backward).
///
/// A step of training is faster with it: candle adds the gradient of every intermediate result to a tensor of zeros, on one
/// thread, and with a tape the gradients of recorded operators do not pass through candle. Those are convolutions, linear layers,
/// pooling and blocks on f32 tensors on the CPU whose arguments are variables, constants or results of recorded operators. All
/// others remain candle's, and both may follow each other in any order.
///
/// The result of a recorded operator counts as a variable, at which candle's own backward pass ends: as long as the tape is
/// there, compute gradients with [`backward`](Tape::backward) and not with [`Tensor::backward`].
///
/// # Example
///
/// ```
/// use candle_core::{DType, Device, Tensor, Var};
///
/// # fn main() -> candle_core::Result<()> {
/// let images = Tensor::ones((2, 1, 4, 4), DType::F32, &Device::Cpu)?;
/// let weight = Var::ones((3, 1, 3, 3), DType::F32, &Device::Cpu)?;
///
/// let tape = ops::Tape::start();
/// let features = ops::conv2d(&images, &weight, None, &Default::default())?;
/// let loss = ops::global_avg_pool(&features)?.sum_all()?;
/// let gradients = tape.backward(&loss)?;
/// assert_eq!(gradients.get(&weight).unwrap().flatten_all()?.to_vec1::<f32>()?, [2.; 27]);
/// # Ok(())
/// # }
/// ```
pub struct Tape {
    /// The records of the tape before, if one is being recorded.
    outer: Option<Vec<Record>>,
}

impl Tape {
    /// Starts to record.
    #[must_use = "the tape ends where it is dropped"]
    pub fn start() -> Self {
        Self { outer: RECORDS.replace(Some(Vec::new())) }
    }

    /// Computes the gradients of all variables that a loss depends on, and ends the tape.
    ///
    /// # Errors
    /// The same as for [`Tensor::backward`].
    pub fn backward(self, loss: &Tensor) -> Result<GradStore> {
        let records = RECORDS.replace(None).unwrap_or_default();
        let handed = Handed::start();
        let mut store = loss.backward()?;
        for Record { result, backward } in records.into_iter().rev() {
            // Candle's operators and recorded ones may both have taken the result.
            let gradient = match (store.remove(&result), handed.take(&result)) {
                (Some(of_candle), Some(handed)) => Some((of_candle + handed)?),
                (of_candle, handed) => of_candle.or(handed),
            };
            if let Some(gradient) = gradient {
                backward(&result, &gradient.contiguous()?)?;
            }
        }
        handed.add_to(&mut store)?;
        Ok(store)
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        RECORDS.set(self.outer.take());
    }
}

/// Returns whether an operator with these arguments is to be recorded: there is a tape, and the graph of candle ends at each of
/// them.
pub(crate) fn records<'a>(arguments: impl IntoIterator<Item = &'a Tensor>) -> bool {
    let mut is_tracked = false;
    let mut is_leaf = |argument: &Tensor| {
        is_tracked |= argument.track_op();
        argument.is_variable() || !argument.track_op()
    };
    RECORDS.with_borrow(Option::is_some) && arguments.into_iter().all(&mut is_leaf) && is_tracked
}

/// Records an operator that has computed `values`, and returns its result.
pub(crate) fn record(
    values: Vec<f32>,
    shape: impl Into<Shape>,
    backward: impl FnOnce(&Tensor, &Tensor) -> Result<()> + 'static,
) -> Result<Tensor> {
    let result = Var::from_vec(values, shape, &Device::Cpu)?.into_inner();
    let record = Record { result: result.clone(), backward: Box::new(backward) };
    RECORDS.with_borrow_mut(|records| records.as_mut().expect("`records` has found a tape").push(record));
    Ok(result)
}
