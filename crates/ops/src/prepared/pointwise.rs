use super::Prepared;
use crate::cpu::parallel;
use candle_core::Result;

/// The input itself: what dropout and flattening are in inference.
#[derive(Debug, Clone, Copy)]
pub struct Identity;

impl Prepared for Identity {
    fn run(&mut self, _batch: usize, x: &[f32], y: &mut Vec<f32>) -> Result<()> {
        y.clear();
        y.extend_from_slice(x);
        Ok(())
    }

    fn is_identity(&self) -> bool {
        true
    }
}

/// [`crate::relu`].
#[derive(Debug, Clone, Copy)]
pub struct Relu;

impl Prepared for Relu {
    fn run(&mut self, batch: usize, x: &[f32], y: &mut Vec<f32>) -> Result<()> {
        y.resize(x.len(), 0.);
        each_image(batch, x, y, |y, x| *y = positive(x));
        Ok(())
    }
}

/// `y = max(y + x, 0)` over batches of the same size: the end of a residual block.
pub fn add_relu(batch: usize, x: &[f32], y: &mut [f32]) {
    each_image(batch, x, y, |y, x| *y = positive(*y + x));
}

/// `max(x, 0)`; NaN stays NaN.
#[inline(always)]
fn positive(x: f32) -> f32 {
    if x < 0. { 0. } else { x }
}

fn each_image(batch: usize, x: &[f32], y: &mut [f32], f: impl Fn(&mut f32, f32) + Sync + Send) {
    let image = x.len() / batch.max(1);
    parallel::chunks(y, image, x.len(), |i, y| {
        y.iter_mut().zip(&x[i * image..]).for_each(|(y, &x)| f(y, x));
    });
}
