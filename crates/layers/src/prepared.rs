//! What layers need to be prepared for inference.

use candle_core::{Device, Result, Tensor, bail};
use ops::prepared::Prepared;

/// The plain form of a part of a network as a prepared one: tensors are made for each call of `forward`, on inputs of
/// the shape `input` (without the batch axis), with results of so many values.
pub fn plain<'a>(
    input: &[usize],
    output: usize,
    forward: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'a,
) -> Box<dyn Prepared + 'a> {
    Box::new(Plain { input: input.to_vec(), output, forward })
}

struct Plain<F> {
    input: Vec<usize>,
    output: usize,
    forward: F,
}

impl<F: Fn(&Tensor) -> Result<Tensor> + Send + Sync> Prepared for Plain<F> {
    fn sizes(&self) -> [usize; 2] {
        [self.input.iter().product(), self.output]
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        let batch = self.batch(x, y)?;
        let shape = [&[batch], &self.input[..]].concat();
        let ys = (self.forward)(&Tensor::from_slice(x, shape, &Device::Cpu)?)?.flatten_all()?.to_vec1()?;
        if ys.len() != y.len() {
            bail!("prepared for results of {} values, not for {} of a batch of {batch}", self.output, ys.len())
        }
        y.copy_from_slice(&ys);
        Ok(())
    }

    /// Tensors for each piece cost more than the cache gains.
    fn takes_few(&self) -> bool {
        false
    }
}

/// A feature map (C, L) or (C, H, W) as (C, H, W), with H = 1 where there is one axis.
///
/// # Errors
/// Another number of axes.
pub fn volume(features: &[usize]) -> Result<[usize; 3]> {
    match *features {
        [channels, length] => Ok([channels, 1, length]),
        [channels, height, width] => Ok([channels, height, width]),
        _ => bail!("a feature map is (C, L) or (C, H, W), not {features:?}"),
    }
}
