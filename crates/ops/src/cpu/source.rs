use super::{batch_norm, scratch};

/// The images that a kernel reads.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// As they are.
    Images(&'a [f32]),
    /// Channels of `x` times scale plus shift, with ReLU if asked for: computed for the images at hand, because memory is
    /// slower.
    Normalised { x: &'a [f32], affine: &'a [[f32; 2]], relu: bool },
}

impl Source<'_> {
    /// Runs `f` on `count` images of `len` values from number `first` on.
    pub fn with<R>(self, first: usize, count: usize, len: usize, f: impl FnOnce(&[f32]) -> R) -> R {
        let range = first * len..(first + count) * len;
        match self {
            Source::Images(x) => f(&x[range]),
            Source::Normalised { x, affine, relu } => scratch::with([range.len()], |[y]| {
                let images = y.chunks_exact_mut(len).zip(x[range].chunks_exact(len));
                images.for_each(|(y, x)| batch_norm::scaled(x, affine, relu, y));
                f(y)
            }),
        }
    }
}
