use candle_core::{Result, Tensor, bail};
use ops::prepared::{Identity, Prepared};
use rand_chacha::rand_core::Rng;

use crate::{
    description::Description,
    embedded::Embedded,
    graph::{Graph, Value},
    layer::{Layer, Mode},
    rng::rng,
};

/// Dropout (Srivastava et al. 2014), as `torch.nn.Dropout`: in training, every value is 0 with probability `p` and scaled
/// by 1/(1 − p) otherwise.
///
/// The mask depends on the seed and step of the [`Mode`] and on the layer's path only, so a run can be repeated, or resumed
/// at any step.
///
/// # Shapes
/// Any; the output has the same.
#[derive(Debug, Clone)]
pub struct Dropout(Mask);

/// Dropout of whole channels (Tompson et al. 2015), as `torch.nn.Dropout1d` and `torch.nn.Dropout2d`: in training, all
/// positions of a channel are 0 together.
///
/// Neighbouring positions of a feature map are alike, so dropping single values would hide little. The mask depends on
/// seed, step and path only, as that of [`Dropout`].
///
/// # Shapes
/// (N, C), (N, C, L) or (N, C, H, W) → the same.
#[derive(Debug, Clone)]
pub struct SpatialDropout(Mask);

impl Dropout {
    /// Drops with probability `p`. The `path` distinguishes the dropout layers of a network; `vb.prefix()` is a good one.
    ///
    /// # Errors
    /// Fails unless 0 ≤ `p` < 1.
    pub fn new(p: f64, path: impl Into<String>) -> Result<Self> {
        Mask::new("Dropout", p, path.into()).map(Self)
    }
}

impl SpatialDropout {
    /// Drops channels with probability `p`. The `path` distinguishes the dropout layers of a network; `vb.prefix()` is a
    /// good one.
    ///
    /// # Errors
    /// Fails unless 0 ≤ `p` < 1.
    pub fn new(p: f64, path: impl Into<String>) -> Result<Self> {
        Mask::new("SpatialDropout", p, path.into()).map(Self)
    }

    /// Drops the same channels as [`forward`](Layer::forward) of sequences that are not written.
    ///
    /// # Errors
    /// Fails if the device has no memory for the mask.
    pub fn drop_channels(&self, xs: &Embedded, mode: Mode) -> Result<Embedded> {
        let Mode::Train { seed, step } = mode else { return Ok(xs.clone()) };
        if self.0.p == 0. {
            return Ok(xs.clone());
        }
        xs.scaled(|shape, vectors| self.0.draw(seed, step, &shape, vectors))
    }
}

impl Layer for Dropout {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        let Mode::Train { seed, step } = mode else { return Ok(xs.clone()) };
        xs * self.0.draw(seed, step, xs.dims(), xs)?
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        Ok(Description::pointwise(format!("Dropout({})", self.0.p), input.to_vec()))
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        Ok(Box::new(Identity(input.iter().product())))
    }

    fn export(&self, _input: &[usize], _graph: &mut Graph, xs: &Value) -> Result<Value> {
        Ok(xs.clone())
    }
}

impl Layer for SpatialDropout {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        let Mode::Train { seed, step } = mode else { return Ok(xs.clone()) };
        let sizes = xs.dims().iter().enumerate();
        let shape: Vec<usize> = sizes.map(|(axis, &size)| if axis < 2 { size } else { 1 }).collect();
        xs.broadcast_mul(&self.0.draw(seed, step, &shape, xs)?)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        Ok(Description::pointwise(format!("SpatialDropout({})", self.0.p), input.to_vec()))
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        Ok(Box::new(Identity(input.iter().product())))
    }

    fn export(&self, _input: &[usize], _graph: &mut Graph, xs: &Value) -> Result<Value> {
        Ok(xs.clone())
    }
}

/// A random mask of zeros and 1/(1 − p).
#[derive(Debug, Clone)]
struct Mask {
    p: f64,
    path: String,
}

impl Mask {
    fn new(name: &str, p: f64, path: String) -> Result<Self> {
        if !(0. ..1.).contains(&p) {
            bail!("{name} does not take the probability {p}; it must be at least 0 and less than 1")
        }
        Ok(Self { p, path })
    }

    /// Draws a mask of this shape, with the type and device of `like`.
    fn draw(&self, seed: u64, step: u64, shape: &[usize], like: &Tensor) -> Result<Tensor> {
        let mut random = rng(seed, &self.path, step);
        let dropped = (self.p * 2f64.powi(32)) as u32;
        let scale = (1. / (1. - self.p)) as f32;
        let len = shape.iter().product();
        let mask: Vec<f32> = (0..len).map(|_| if random.next_u32() < dropped { 0. } else { scale }).collect();
        Tensor::from_vec(mask, shape, like.device())?.to_dtype(like.dtype())
    }
}
