use candle_core::{Result, bail};

use super::operator::Prepared;
use crate::{
    cpu::{self, elu, parallel, relu},
    sizes::product,
};

/// The identity on inputs with the given number of values, as which dropout and flattening act in inference.
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

/// [`relu`](crate::relu) on inputs with the given number of values.
#[derive(Debug, Clone, Copy)]
pub struct Relu(pub usize);

impl Prepared for Relu {
    fn sizes(&self) -> [usize; 2] {
        [self.0; 2]
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        self.batch(x, y)?;
        parallel::chunks(y, self.0, x.len(), |i, y| {
            // A comparison instead of a maximum keeps NaN.
            y.iter_mut().zip(&x[i * self.0..]).for_each(|(y, &x)| *y = if x < 0. { 0. } else { x });
        });
        Ok(())
    }
}

/// [`elu`](crate::elu) with a fixed `alpha`.
#[derive(Debug, Clone, Copy)]
pub struct Elu {
    /// The number of values of an input.
    pub values: usize,
    /// The factor of the exponential, not negative.
    pub alpha: f64,
}

impl Prepared for Elu {
    fn sizes(&self) -> [usize; 2] {
        [self.values; 2]
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        self.batch(x, y)?;
        elu::forward_into(x, self.alpha as f32, y, self.values);
        Ok(())
    }
}

/// Transposes each matrix of this many rows and columns in `x`: feature maps (C, H·W) become channels last, (H·W, C), and the
/// other way round.
///
/// # Errors
/// Fails if the lengths differ, or are no multiple of the size of a matrix.
pub fn transpose(x: &[f32], y: &mut [f32], [rows, columns]: [usize; 2]) -> Result<()> {
    let len = product("transpose: a matrix", &[rows, columns])?;
    if x.len() != y.len() || len == 0 || !x.len().is_multiple_of(len) {
        bail!("transpose: {} values in and {} out are not matrices of {rows}x{columns}", x.len(), y.len())
    }
    parallel::chunks(y, len, 2 * x.len(), |i, y| cpu::transpose_matrix(&x[i * len..][..len], y, [rows, columns]));
    Ok(())
}

/// Replaces `y` by `max(y + x, 0)`, the end of a residual block.
///
/// # Errors
/// Fails if the lengths differ.
pub fn add_relu(x: &[f32], y: &mut [f32]) -> Result<()> {
    if x.len() != y.len() {
        bail!("add_relu: lengths {} and {} differ", x.len(), y.len())
    }
    relu::forward_sum_into(y, x);
    Ok(())
}
