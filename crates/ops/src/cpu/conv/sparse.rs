//! The gradients behind ReLU and 2×2 max pooling. Of the four output positions of a pooling window at most one has a
//! gradient, for each channel another, so the gradient of the output is a sparse matrix with at most a quarter of its
//! elements. Both products skip the zeros exactly: for `dW` the elements are listed by output channel, for `dx` by
//! position.

use std::{cell::RefCell, ops::Range};

use pulp::Simd;

use super::{
    algorithm::BackwardAlgorithm,
    padded_backward::{PaddedBackward, PaddedImages},
    patch_layout::PatchLayout,
    shape::ConvShape,
    weight_order::WeightOrder,
};
use crate::cpu::{
    backward_pass::BackwardPass,
    epilogue::{NO_WINNER, SavedEpilogue},
    image_groups::GroupGradients,
    map_order::MapOrder,
    micro_kernel::{NonZero, add_sparse_product},
    scratch,
    simd::{BLOCK_WIDTH, Kernel, dispatch},
};

/// Returns whether this algorithm can compute the backward pass, and is the best one.
pub fn supports(s: &ConvShape) -> bool {
    // The products work on rows of kw·C_in values. Shorter ones, as in the first layer, do not fill a vector.
    let fills_vectors = s.window.kernel[1] * s.in_channels >= BLOCK_WIDTH;
    // Of the elements, which hold places in padded images and among the weights in 32 bits.
    let [height, width] = [0, 1].map(|i| s.input[i].saturating_add(s.window.padding[i].saturating_mul(2)));
    let image = height.saturating_mul(width).saturating_mul(s.in_channels);
    let places = image.max(s.out_channels.saturating_mul(s.patch_len().saturating_mul(BLOCK_WIDTH)));
    s.is_pooled() && fills_vectors && u32::try_from(places).is_ok()
}

/// The backward pass behind ReLU and 2×2 max pooling.
pub struct SparseBackward {
    s: ConvShape,
    layout: PatchLayout,
    /// For the gradient of the input, in [`WeightOrder::PatchRows`].
    weight: Option<Vec<f32>>,
}

impl SparseBackward {
    /// Takes weights (C_out, C_in, kh, kw) if the gradient of the input is wanted.
    pub fn new(s: &ConvShape, weight: Option<&[f32]>) -> Self {
        let layout = PatchLayout::channels_last(s);
        let weight = weight.map(|weight| WeightOrder::PatchRows.pack(s, &layout, weight));
        Self { s: *s, layout, weight }
    }
}

/// The largest number of elements that a thread keeps room for, as many bytes as in [`scratch`].
const MOST_KEPT_ELEMENTS: usize = scratch::MOST_KEPT * size_of::<f32>() / size_of::<NonZero>();

thread_local! {
    static NON_ZEROS: RefCell<NonZeros> = RefCell::default();
}

impl BackwardAlgorithm for SparseBackward {
    fn weight_gradient_len(&self) -> usize {
        WeightOrder::PatchRows.len(&self.s, &self.layout)
    }

    fn add_gradients(&self, pass: &BackwardPass, images: Range<usize>, gradients: GroupGradients) {
        let Self { s, layout, weight } = self;
        let SavedEpilogue::Winners(winners) = pass.saved else {
            unreachable!("the forward pass of a convolution with pooling saves the winners")
        };
        let frame = PaddedBackward { s, layout, image_len: layout.image_len, images_per_call: 1, want_dy: false };
        let len = s.result_len();
        frame.run(pass, images, gradients, |PaddedImages { numbers, dw, db, dx, .. }| {
            NON_ZEROS.with_borrow_mut(|dy| {
                let n = numbers.start;
                let winners_len = s.blocked_result_len();
                dy.collect(s, layout, &winners[n * winners_len..][..winners_len], &pass.dy[n * len..][..len]);
                let dx = weight.as_deref().zip(dx);
                dispatch(SparseBackwardKernel { s, layout, dy, dw, db, dx });
                if dy.by_position.capacity() > MOST_KEPT_ELEMENTS {
                    *dy = NonZeros::default();
                }
            });
        });
    }

    fn weight_gradient(&self, accumulated: &[f32]) -> Vec<f32> {
        WeightOrder::PatchRows.unpack(&self.s, &self.layout, accumulated)
    }
}

/// The non-zero elements of the gradient of one image's output.
#[derive(Default)]
struct NonZeros {
    /// For each output channel room for an element per pooling window, which multiplies the patch of its position.
    by_channel: Vec<NonZero>,
    channel_counts: Vec<usize>,
    /// For each position room for an element per output channel, which multiplies the weights of its channel.
    by_position: Vec<NonZero>,
    position_counts: Vec<usize>,
}

impl NonZeros {
    /// Lists the elements of one image.
    fn collect(&mut self, s: &ConvShape, layout: &PatchLayout, winners: &[u8], dy: &[f32]) {
        let (channels, positions) = (s.out_channels, layout.positions.len());
        let windows = positions / 4;
        let weights = s.window.kernel[0] * layout.kernel_row_len;
        self.by_channel.resize(channels * windows, NonZero::default());
        self.by_position.resize(channels * positions, NonZero::default());
        self.channel_counts.clear();
        self.position_counts.clear();
        self.position_counts.resize(positions, 0);
        for channel in 0..channels {
            let of_channel = &mut self.by_channel[channel * windows..][..windows];
            let (first_dy, distance) = match s.result_order {
                MapOrder::Planes => (channel * windows, 1),
                MapOrder::Pixels => (channel, channels),
            };
            let dy = dy[first_dy..].iter().step_by(distance).take(windows);
            let first = channel / BLOCK_WIDTH * BLOCK_WIDTH * windows + channel % BLOCK_WIDTH;
            let winners = winners[first..].iter().step_by(BLOCK_WIDTH);
            let mut count = 0;
            for (window, (&value, &winner)) in dy.zip(winners).enumerate() {
                // Without a branch: an element that does not count is overwritten by the next.
                let position = 4 * window + (winner % NO_WINNER) as usize;
                let counts = (winner != NO_WINNER) as usize;
                of_channel[count] = NonZero { value, start: layout.patch_starts[position] as u32 };
                let position_count = &mut self.position_counts[position];
                self.by_position[position * channels + *position_count] =
                    NonZero { value, start: (channel * weights) as u32 };
                count += counts;
                *position_count += counts;
            }
            self.channel_counts.push(count);
        }
    }
}

/// Adds one image's part to the gradients of weights and bias, and computes its padded dx.
struct SparseBackwardKernel<'a> {
    s: &'a ConvShape,
    layout: &'a PatchLayout,
    dy: &'a NonZeros,
    /// The image, and the weight gradient in [`WeightOrder::PatchRows`], which is added to.
    dw: Option<(&'a [f32], &'a mut [f32])>,
    /// Added to.
    db: &'a mut [f32],
    /// The weights, in [`WeightOrder::PatchRows`], and the padded gradient of the image.
    dx: Option<(&'a [f32], &'a mut [f32])>,
}

impl Kernel for SparseBackwardKernel<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { s, layout, dy, mut dw, db, dx } = self;
        let (kernel_rows, row_len) = (s.window.kernel[0], layout.kernel_row_len);
        let windows = layout.positions.len() / 4;
        for (channel, db) in db.iter_mut().enumerate() {
            let elements = &dy.by_channel[channel * windows..][..dy.channel_counts[channel]];
            *db += elements.iter().map(|element| element.value).sum::<f32>();
            let Some((image, dw)) = &mut dw else { continue };
            let dw = &mut dw[channel * kernel_rows * row_len..][..kernel_rows * row_len];
            for (ky, dw) in dw.chunks_exact_mut(row_len).enumerate() {
                add_sparse_product::<S, V>(simd, dw, elements, &image[ky * layout.row_len..]);
            }
        }
        let Some((weight, dx)) = dx else { return };
        for (position, &count) in dy.position_counts.iter().enumerate() {
            let elements = &dy.by_position[position * s.out_channels..][..count];
            for ky in 0..kernel_rows {
                let dx = &mut dx[layout.patch_starts[position] + ky * layout.row_len..][..row_len];
                add_sparse_product::<S, V>(simd, dx, elements, &weight[ky * row_len..]);
            }
        }
    }
}
