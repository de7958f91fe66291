use crate::{Description, Layer, Mode, Prepared, rng};
use candle_core::{Result, Tensor, bail};
use ops::prepared::Identity;
use rand_chacha::rand_core::Rng;

/// Dropout (Srivastava et al. 2014), as `torch.nn.Dropout`: in training each value is 0 with probability `p` and
/// scaled by 1/(1 − p) otherwise. The mask is a pure function of the mode's seed and step and of the layer's path, so
/// a run can be repeated, or taken up at any step.
#[derive(Debug, Clone)]
pub struct Dropout {
    p: f64,
    path: String,
}

impl Dropout {
    /// `path` tells one dropout layer of a network from another: `vb.prefix()`.
    ///
    /// # Errors
    /// A probability outside of 0 ≤ p < 1.
    pub fn new(p: f64, path: impl Into<String>) -> Result<Self> {
        if !(0. ..1.).contains(&p) {
            bail!("dropout: the probability must be at least 0 and less than 1, not {p}")
        }
        Ok(Self { p, path: path.into() })
    }
}

impl Layer for Dropout {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        let Mode::Train { seed, step } = mode else { return Ok(xs.clone()) };
        let mut random = rng(seed, &self.path, step);
        let dropped = (self.p * 2f64.powi(32)) as u32;
        let scale = (1. / (1. - self.p)) as f32;
        let mask: Vec<f32> =
            (0..xs.elem_count()).map(|_| if random.next_u32() < dropped { 0. } else { scale }).collect();
        xs * Tensor::from_vec(mask, xs.shape(), xs.device())?.to_dtype(xs.dtype())?
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        Ok(Description::pointwise(format!("Dropout({})", self.p), input.to_vec()))
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        Ok(Box::new(Identity(input.iter().product())))
    }
}
