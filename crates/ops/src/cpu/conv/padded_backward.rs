//! The part of the backward pass that all algorithms on padded, channels-last images share.

use std::ops::Range;

use super::{output_gradient, patch_layout::PatchLayout, shape::ConvShape};
use crate::cpu::{backward_pass::BackwardPass, image_groups::GroupGradients, scratch, simd::BLOCK_WIDTH};

/// The settings of a backward pass on padded, channels-last images.
pub struct PaddedBackward<'a> {
    pub s: &'a ConvShape,
    pub layout: &'a PatchLayout,
    /// The length of a padded image.
    pub image_len: usize,
    /// The number of images per call of the kernel.
    pub images_per_call: usize,
    /// True if the kernel reads [`PaddedImages::dy`].
    pub want_dy: bool,
}

/// The buffers that a kernel reads and writes for a few images.
pub struct PaddedImages<'a> {
    /// The numbers of the images in the batch.
    pub numbers: Range<usize>,
    /// The gradient of the convolution's output, for each image (block of channels, position, channel of the block), with
    /// zeros where there is no channel; empty if it is not wanted.
    pub dy: &'a [f32],
    /// The images, padded and channels last, and the weight gradient, to be added to; `None` if it is not wanted.
    pub dw: Option<(&'a [f32], &'a mut [f32])>,
    /// The bias gradient, to be added to.
    pub db: &'a mut [f32],
    /// The gradient of the padded images, to be added to; starts at 0. It is dx itself where images are computed in place.
    pub dx: Option<&'a mut [f32]>,
}

impl PaddedBackward<'_> {
    /// Calls `kernel` for all images of these numbers, a few at a time.
    pub fn run(
        &self,
        pass: &BackwardPass,
        numbers: Range<usize>,
        gradients: GroupGradients,
        mut kernel: impl FnMut(PaddedImages),
    ) {
        let Self { s, layout, image_len, images_per_call, want_dy } = *self;
        let map = s.padded_input();
        // The images of Winograd's algorithm have more rows.
        let in_place = image_len == layout.image_len && layout.is_in_place(s);
        let GroupGradients { weight: mut dw, bias: db, x: mut dx, image_sums } = gradients;
        let dy_len = if want_dy { layout.blocked_len() } else { 0 };
        for first in numbers.clone().step_by(images_per_call) {
            let call = first..(first + images_per_call).min(numbers.end);
            let x = pass.x.part(call.start * s.input_len()..call.end * s.input_len());
            let stored = x.stored().filter(|_| in_place);
            let images_len = if dw.is_some() && stored.is_none() { call.len() * image_len } else { 0 };
            let dx_len = if dx.is_some() && !in_place { call.len() * image_len } else { 0 };
            let lens = [images_len, dx_len, call.len() * dy_len, BLOCK_WIDTH * layout.positions.len()];
            scratch::with(lens, |[images, padded_dx, dy, planes]| {
                if images_len > 0 {
                    let images = x.images(s.input_len()).zip(images.chunks_exact_mut(image_len));
                    images.for_each(|(x, image)| map.pad(0..usize::MAX, x, s.input_order, image));
                }
                for (n, dy) in call.clone().zip(dy.chunks_exact_mut(dy_len.max(1))) {
                    output_gradient::blocked(s, layout, pass, n, planes, dy);
                }
                let values = call.len() * s.input_len();
                let mut dx_in_place = dx.as_mut().filter(|_| in_place).map(|dx| dx.take_zeroed(values));
                padded_dx.fill(0.);
                let images = stored.unwrap_or(images);
                let of_kernel = dx_in_place.as_deref_mut().or(dx.is_some().then_some(&mut *padded_dx));
                let dw = dw.as_deref_mut().map(|dw| (images, dw));
                kernel(PaddedImages { numbers: call.clone(), dy, dw, db, dx: of_kernel });
                let Some(dx) = &mut dx else { return };
                let padded = padded_dx.chunks_exact(image_len);
                let dx = match dx_in_place {
                    Some(dx) => dx,
                    None if map.has_middle_rows(s.input_order) => {
                        dx.take_copied(values, padded.flat_map(|padded| map.middle_rows(padded)))
                    }
                    None => {
                        let dx = dx.take_zeroed(values);
                        let images = padded.zip(dx.chunks_exact_mut(s.input_len()));
                        images.for_each(|(padded, dx)| map.middle_to_planes(padded, dx));
                        dx
                    }
                };
                let image_sums = &mut image_sums[(first - numbers.start) * pass.finish_dx.sums..];
                pass.finish_dx.run(first, call.len(), dx, image_sums);
            });
        }
    }
}
