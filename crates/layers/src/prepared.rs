//! What layers need to be prepared for inference.

use candle_core::{Device, Result, Tensor, bail};
use ops::prepared::Prepared;

/// The plain form of a part of a network as a prepared one: tensors are made for each call of `forward`, on inputs of
/// the shape `input` (without the batch axis).
pub fn plain<'a>(
    input: &[usize],
    forward: impl FnMut(&Tensor) -> Result<Tensor> + Send + 'a,
) -> Box<dyn Prepared + 'a> {
    Box::new(Plain { input: input.to_vec(), forward })
}

struct Plain<F> {
    input: Vec<usize>,
    forward: F,
}

impl<F: FnMut(&Tensor) -> Result<Tensor> + Send> Prepared for Plain<F> {
    fn run(&mut self, batch: usize, x: &[f32], y: &mut Vec<f32>) -> Result<()> {
        let shape = [&[batch], &self.input[..]].concat();
        let ys = (self.forward)(&Tensor::from_slice(x, shape, &Device::Cpu)?)?;
        *y = ys.flatten_all()?.to_vec1()?;
        Ok(())
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
