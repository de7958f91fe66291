//! Gradients of weights are sums over the batch. They are accumulated in a fixed number of groups of images, which run
//! in parallel, and the groups' sums are added in order: the result has the same bits on any number of threads.

use std::ops::Range;

use super::{
    gradients::Gradients,
    parallel::{self, Unwritten},
};

/// The largest number of groups a batch is split into, and so of threads that are busy.
const MOST_GROUPS: usize = 16;

/// The number of groups if adding the sums of [`MOST_GROUPS`] would take too long.
const FEW_GROUPS: usize = 8;

/// The number of operations for each value of a group's sums from which on adding one more group's is cheap: a value is
/// cleared, accumulated in the cache, and read once more from memory.
const CHEAP_SUMS: usize = 1 << 12;

/// The number of values of the groups' sums that are added per parallel task.
const SUMS_PER_TASK: usize = 1 << 12;

/// The sizes of the gradients to accumulate.
pub struct GradientSizes {
    /// The number of images.
    pub batch: usize,
    /// The number of values of one input image.
    pub image: usize,
    /// The length of the weight gradient in the layout that the kernel accumulates.
    pub weight: usize,
    /// The length of the bias gradient.
    pub bias: usize,
    /// The number of sums over each image of dx.
    pub image_sums: usize,
    /// True if the input needs a gradient.
    pub want_dx: bool,
    /// True if the weights need a gradient.
    pub want_dw: bool,
    /// An estimate of all floating-point operations.
    pub flops: usize,
}

/// Where a kernel accumulates the gradients of one group of images.
pub struct GroupGradients<'a, 'b> {
    /// The weight gradient, in the kernel's own layout; starts at 0. `None` if it is not wanted.
    pub weight: Option<&'a mut [f32]>,
    /// The bias gradient; starts at 0.
    pub bias: &'a mut [f32],
    /// The input gradient of the group's images, to be written in order; `None` if it is not wanted.
    pub x: Option<Unwritten<'a, 'b, f32>>,
    /// The sums over each image of dx.
    pub image_sums: &'a mut [f32],
}

/// Calls `f` for each group of images and adds what the groups accumulate. The weight gradient is returned in the
/// kernel's layout; the second value is the sums over each image of dx, image after image.
pub fn accumulate(
    sizes: &GradientSizes,
    f: impl Fn(Range<usize>, GroupGradients) + Sync + Send,
) -> (Gradients, Vec<f32>) {
    let &GradientSizes { batch, image, weight, bias, image_sums, want_dx, want_dw, flops } = sizes;
    let weight = if want_dw { weight } else { 0 };
    let most = if flops / CHEAP_SUMS >= weight + bias { MOST_GROUPS } else { FEW_GROUPS };
    let images_per_group = batch.div_ceil(most).max(1);
    let groups = batch.div_ceil(images_per_group);

    // A group's part of this buffer is its weight gradient, bias gradient and image sums.
    let sums_len = weight + bias;
    let group_len = sums_len + images_per_group * image_sums;
    // If dx is not wanted, one dummy value per group takes its place, so that there is only one loop.
    let dx_lens = if want_dx { (batch * image, images_per_group * image) } else { (groups, 1) };
    let sums_lens = (groups * group_len, group_len);
    let (dx, partial) = parallel::filled_pair(dx_lens, sums_lens, flops, |group, dx, sums| {
        let (weight, sums) = sums.zeroed().split_at_mut(weight);
        let (bias, image_sums) = sums.split_at_mut(bias);
        let images = group * images_per_group..((group + 1) * images_per_group).min(batch);
        f(images, GroupGradients { weight: want_dw.then_some(weight), bias, x: want_dx.then_some(dx), image_sums });
    });

    let (mut sums, image_sums) = add_groups(&partial, group_len, sums_len);
    let bias = sums.split_off(weight);
    (Gradients { x: want_dx.then_some(dx), weight: want_dw.then_some(sums), bias }, image_sums)
}

/// Adds the first `len` values of all groups of `group_len` values, and concatenates the rest of each.
fn add_groups(partial: &[f32], group_len: usize, len: usize) -> (Vec<f32>, Vec<f32>) {
    let groups = partial.chunks_exact(group_len);
    let mut rest = Vec::with_capacity(groups.len() * (group_len - len));
    groups.clone().for_each(|group| rest.extend_from_slice(&group[len..]));
    let sums = parallel::filled(len, SUMS_PER_TASK, partial.len(), |i, sums| {
        let sums = sums.zeroed();
        for group in groups.clone() {
            sums.iter_mut().zip(&group[i * SUMS_PER_TASK..len]).for_each(|(sum, part)| *sum += part);
        }
    });
    (sums, rest)
}
