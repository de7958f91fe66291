use candle_core::{Result, bail};

/// An operator, or a whole network, prepared for inference.
///
/// Implement it for an operator of your own to use it in a [`Chain`](super::Chain): only [`sizes`](Prepared::sizes) and
/// [`run`](Prepared::run) are required.
///
/// # Example
///
/// ```
/// use candle_core::Result;
/// use ops::prepared::{Chain, Identity, Prepared};
///
/// /// Squares each of three values.
/// struct Square;
///
/// impl Prepared for Square {
///     fn sizes(&self) -> [usize; 2] {
///         [3, 3]
///     }
///
///     fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
///         self.batch(x, y)?;
///         y.iter_mut().zip(x).for_each(|(y, x)| *y = x * x);
///         Ok(())
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let twice = Chain::new(vec![Box::new(Square), Box::new(Square)])?;
/// let mut y = [0.; 3];
/// twice.run(&[1., 2., 3.], &mut y)?;
/// assert_eq!(y, [1., 16., 81.]);
/// # Ok(())
/// # }
/// ```
pub trait Prepared: Send + Sync {
    /// Returns the numbers of values of one input and of its result.
    fn sizes(&self) -> [usize; 2];

    /// Computes the results of all inputs in `x` and writes them to `y`.
    ///
    /// # Errors
    /// Fails if `x` is not a whole number of inputs, or `y` does not have the length of their results.
    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()>;

    /// Returns the number of inputs in `x`.
    ///
    /// # Errors
    /// Fails if `x` is not a whole number of inputs, or `y` does not have the length of their results.
    fn batch(&self, x: &[f32], y: &[f32]) -> Result<usize> {
        let [inputs, outputs] = self.sizes();
        let batch = x.len() / inputs.max(1);
        if x.len() != batch * inputs || Some(y.len()) != batch.checked_mul(outputs) {
            let (x, y) = (x.len(), y.len());
            bail!(
                "{x} values in and {y} out are not possible; each input has {inputs} values and each result {outputs}"
            )
        }
        Ok(batch)
    }

    /// Returns whether the operator is faster on a whole batch than on a few inputs at a time. A [`Chain`](super::Chain)
    /// then does not split the batch for it. A matrix product answers `true`, because it would load its weights from
    /// memory again for each part of the batch.
    fn prefers_whole_batch(&self) -> bool {
        false
    }

    /// Returns the number of values that are read and written while one input is computed. A [`Chain`](super::Chain)
    /// makes the parts of a batch so small that these values stay in the cache.
    fn working_set(&self) -> usize {
        self.sizes().iter().sum()
    }

    /// Returns about the number of floating-point operations for one input. A [`Chain`](super::Chain) hands small batches of
    /// little work to no other thread. By default it is the number of values of the input and its result.
    fn flops(&self) -> usize {
        self.sizes().iter().sum()
    }

    /// Returns whether the operator divides a single input between threads. A [`Chain`](super::Chain) with such an operator keeps
    /// the threads awake while it computes a single input, as [`keep_threads_awake`](crate::keep_threads_awake) does.
    fn divides_input(&self) -> bool {
        false
    }

    /// Returns whether the result always equals the input, so that a [`Chain`](super::Chain) can leave the operator
    /// out.
    fn is_identity(&self) -> bool {
        false
    }

    /// Returns whether the operator can take feature maps (H, W, C), channels last, instead of (C, H, W), and whether it can
    /// return them. A [`Chain`](super::Chain) makes use of it where two such operators follow each other.
    fn can_be_channels_last(&self) -> [bool; 2] {
        [false; 2]
    }

    /// Says whether the input and the result are channels last. It is called only with what
    /// [`can_be_channels_last`](Prepared::can_be_channels_last) allows, and before the first [`run`](Prepared::run).
    fn set_channels_last(&mut self, sides: [bool; 2]) {
        let _ = sides;
    }
}

impl<P: Prepared + ?Sized> Prepared for Box<P> {
    fn sizes(&self) -> [usize; 2] {
        (**self).sizes()
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        (**self).run(x, y)
    }

    fn prefers_whole_batch(&self) -> bool {
        (**self).prefers_whole_batch()
    }

    fn working_set(&self) -> usize {
        (**self).working_set()
    }

    fn flops(&self) -> usize {
        (**self).flops()
    }

    fn divides_input(&self) -> bool {
        (**self).divides_input()
    }

    fn is_identity(&self) -> bool {
        (**self).is_identity()
    }

    fn can_be_channels_last(&self) -> [bool; 2] {
        (**self).can_be_channels_last()
    }

    fn set_channels_last(&mut self, sides: [bool; 2]) {
        (**self).set_channels_last(sides);
    }
}
