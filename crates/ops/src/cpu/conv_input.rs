use super::{batch_norm, scratch};

/// The input of a convolution: stored, or normalised on the fly.
#[derive(Clone, Copy)]
pub enum ConvInput<'a> {
    /// The images as they are stored.
    Stored(&'a [f32]),
    /// `x·scale + shift`, with one (scale, shift) per channel, and ReLU if `relu`. It is computed for a few images at
    /// a time and never stored as a whole: computing it twice is faster than writing it to memory and reading it back.
    Normalised { x: &'a [f32], affine: &'a [[f32; 2]], relu: bool },
}

impl ConvInput<'_> {
    /// Calls `f` with `count` images of `len` values each, starting at image number `first`.
    pub fn with<R>(self, first: usize, count: usize, len: usize, f: impl FnOnce(&[f32]) -> R) -> R {
        let range = first * len..(first + count) * len;
        match self {
            ConvInput::Stored(x) => f(&x[range]),
            ConvInput::Normalised { x, affine, relu } => scratch::with([range.len()], |[y]| {
                let images = y.chunks_exact_mut(len).zip(x[range].chunks_exact(len));
                images.for_each(|(y, x)| batch_norm::scale_and_shift(x, affine, relu, y));
                f(y)
            }),
        }
    }
}
