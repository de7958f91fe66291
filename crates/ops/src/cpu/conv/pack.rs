//! Images and weights in the order the kernels read them.

use super::super::tile::{ROWS, WIDTH};
use super::geometry::{Geometry, Shape};

/// An image (C_in, H, W) into the middle of a padded one (H + 2p, W + 2p, C_in) whose border is zero.
pub fn image(s: &Shape, g: &Geometry, x: &[f32], padded: &mut [f32]) {
    if s.window.padding != [0, 0] {
        padded.fill(0.);
    }
    for_each_row(s, g, |source, target| {
        padded[target..].iter_mut().step_by(s.in_channels).zip(&x[source..][..s.input[1]]).for_each(|(p, x)| *p = *x);
    });
}

/// The adjoint of [`image`]: the middle of a padded image.
pub fn unpad(s: &Shape, g: &Geometry, padded: &[f32], x: &mut [f32]) {
    for_each_row(s, g, |source, target| {
        let row = x[source..][..s.input[1]].iter_mut();
        row.zip(padded[target..].iter().step_by(s.in_channels)).for_each(|(x, p)| *x = *p);
    });
}

/// Where each row of each channel starts, in the image and in the padded one.
fn for_each_row(s: &Shape, g: &Geometry, mut visit: impl FnMut(usize, usize)) {
    let ([height, width], [top, left]) = (s.input, s.window.padding);
    for y in 0..height {
        for channel in 0..s.in_channels {
            visit((channel * height + y) * width, (y + top) * g.row + left * s.in_channels + channel);
        }
    }
}

/// The place of every weight of (C_out, C_in, kh, kw), in order, given as (output channel, input channel, ky, kx).
fn for_each_weight(s: &Shape, mut visit: impl FnMut(usize, usize, usize, usize)) {
    let [kh, kw] = s.window.kernel;
    for output in 0..s.out_channels {
        for input in 0..s.in_channels {
            for ky in 0..kh {
                for kx in 0..kw {
                    visit(output, input, ky, kx);
                }
            }
        }
    }
}

/// Three orders of the weights, each made of pieces of [`WIDTH`].
#[derive(Debug, Clone, Copy)]
pub enum Order {
    /// (block of outputs, patch, output): what the forward product reads and the dense gradient of the weights adds up.
    /// The patch is rounded up to a multiple of [`ROWS`].
    OutputsLast,
    /// (piece of a patch row, output, patch): what the dense gradient of the input reads.
    Pieces,
    /// (output, patch): what the sparse gradients read and add up.
    OutputsFirst,
}

impl Order {
    pub fn len(self, s: &Shape, g: &Geometry) -> usize {
        match self {
            Order::OutputsLast => g.blocks * WIDTH * s.patch().next_multiple_of(ROWS),
            Order::Pieces | Order::OutputsFirst => s.out_channels * s.window.kernel[0] * g.segment,
        }
    }

    /// Visits the weights of (C_out, C_in, kh, kw) in their order with the place of each in this one.
    fn for_each(self, s: &Shape, g: &Geometry, mut visit: impl FnMut(usize)) {
        let (row, patch) = (s.window.kernel[1] * s.in_channels, s.patch().next_multiple_of(ROWS));
        for_each_weight(s, |output, input, ky, kx| {
            let i = kx * s.in_channels + input;
            visit(match self {
                Order::OutputsLast => (output / WIDTH * patch + ky * row + i) * WIDTH + output % WIDTH,
                Order::Pieces => ((ky * g.segment + i) / WIDTH * s.out_channels + output) * WIDTH + i % WIDTH,
                Order::OutputsFirst => (output * s.window.kernel[0] + ky) * g.segment + i,
            });
        });
    }

    pub fn pack(self, s: &Shape, g: &Geometry, weight: &[f32]) -> Vec<f32> {
        let mut packed = vec![0f32; self.len(s, g)];
        let mut weight = weight.iter();
        self.for_each(s, g, |place| packed[place] = *weight.next().expect("one value for each weight"));
        packed
    }

    pub fn unpack(self, s: &Shape, g: &Geometry, packed: &[f32]) -> Vec<f32> {
        let mut weight = Vec::with_capacity(s.out_channels * s.patch());
        self.for_each(s, g, |place| weight.push(packed[place]));
        weight
    }
}
