use super::Prepared;
use crate::cpu::parallel;
use candle_core::Result;

/// The input itself, of so many values: what dropout and flattening are in inference.
#[derive(Debug, Clone, Copy)]
pub struct Identity(pub usize);

impl Prepared for Identity {
    fn sizes(&self) -> [usize; 2] {
        [self.0; 2]
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        self.batch(x, y)?;
        y.copy_from_slice(x);
        Ok(())
    }

    fn is_identity(&self) -> bool {
        true
    }
}

/// [`crate::relu`] of inputs of so many values.
#[derive(Debug, Clone, Copy)]
pub struct Relu(pub usize);

impl Prepared for Relu {
    fn sizes(&self) -> [usize; 2] {
        [self.0; 2]
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        self.batch(x, y)?;
        each_image(self.0, x, y, |y, x| *y = positive(x));
        Ok(())
    }
}

/// `y = max(y + x, 0)` over inputs of `size` values: the end of a residual block.
pub fn add_relu(size: usize, x: &[f32], y: &mut [f32]) {
    each_image(size, x, y, |y, x| *y = positive(*y + x));
}

/// `max(x, 0)`; NaN stays NaN.
#[inline(always)]
fn positive(x: f32) -> f32 {
    if x < 0. { 0. } else { x }
}

fn each_image(size: usize, x: &[f32], y: &mut [f32], f: impl Fn(&mut f32, f32) + Sync + Send) {
    parallel::chunks(y, size, x.len(), |i, y| {
        y.iter_mut().zip(&x[i * size..]).for_each(|(y, &x)| f(y, x));
    });
}
