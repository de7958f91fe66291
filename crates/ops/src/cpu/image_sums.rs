/// Computes the sums of one image from its number in the batch and its values.
pub type SumImage<'a> = dyn Fn(usize, &[f32], &mut [f32]) + Sync + 'a;

/// Sums that a kernel computes over each image it writes, such as those that batch normalisation needs of each channel.
/// They are taken right after an image is written, while it is still in the cache.
#[derive(Clone, Copy)]
pub struct ImageSums<'a> {
    /// The number of sums per image.
    pub len: usize,
    /// Writes the sums of one image.
    pub sum_image: &'a SumImage<'a>,
}

impl ImageSums<'_> {
    /// Computes no sums.
    pub const NONE: Self = ImageSums { len: 0, sum_image: &|_, _, _| () };

    /// Writes the sums of `count` images, of which `values` holds the values and `first` is the number of the first.
    pub fn compute(&self, first: usize, count: usize, values: &[f32], sums: &mut [f32]) {
        if self.len > 0 {
            let images = values.chunks_exact(values.len() / count).zip(sums.chunks_exact_mut(self.len));
            (first..).zip(images).for_each(|(n, (values, sums))| (self.sum_image)(n, values, sums));
        }
    }
}
