use std::ops::Range;

use super::{batch_norm, pixels::PerChannel, scratch};

/// The input of a convolution: stored, or normalised on the fly.
#[derive(Clone, Copy)]
pub enum ConvInput<'a> {
    /// The images as they are stored.
    Stored(&'a [f32]),
    /// `x·scale + shift`, with one (scale, shift) per channel, and ReLU if `relu`. It is computed for a few images at
    /// a time and never stored as a whole: computing it twice is faster than writing it to memory and reading it back.
    Normalised { x: &'a [f32], affine: &'a PerChannel<2>, relu: bool },
}

impl<'a> ConvInput<'a> {
    /// Returns the number of values.
    pub fn len(&self) -> usize {
        let (ConvInput::Stored(x) | ConvInput::Normalised { x, .. }) = self;
        x.len()
    }

    /// Returns the values, if they are stored.
    pub fn stored(self) -> Option<&'a [f32]> {
        if let ConvInput::Stored(x) = self { Some(x) } else { None }
    }

    /// Returns some of the values, those of whole images.
    pub fn part(self, range: Range<usize>) -> Self {
        match self {
            ConvInput::Stored(x) => ConvInput::Stored(&x[range]),
            ConvInput::Normalised { x, affine, relu } => ConvInput::Normalised { x: &x[range], affine, relu },
        }
    }

    /// Returns the images, of `len` values each.
    pub fn images(self, len: usize) -> impl Iterator<Item = ConvInput<'a>> {
        (0..self.len() / len).map(move |i| self.part(i * len..(i + 1) * len))
    }

    /// Calls `f` with the values of all images, of `len` values each.
    pub fn with<R>(self, len: usize, f: impl FnOnce(&[f32]) -> R) -> R {
        match self {
            ConvInput::Stored(x) => f(x),
            ConvInput::Normalised { x, affine, relu } => scratch::with([x.len()], |[y]| {
                let images = y.chunks_exact_mut(len).zip(x.chunks_exact(len));
                images.for_each(|(y, x)| batch_norm::scale_and_shift(x, affine, relu, y));
                f(y)
            }),
        }
    }
}
