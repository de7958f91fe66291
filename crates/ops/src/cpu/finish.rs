use super::isa::vectorised;

/// Computes the sums of one image from its number in the batch and its values.
pub type SumImage<'a> = dyn Fn(usize, &[f32], &mut [f32]) + Sync + 'a;

/// The work on each image right after a kernel has written it, while it is still in the cache: an addition, then sums.
#[derive(Clone, Copy)]
pub struct Finish<'a> {
    /// Values to add to the images, of the whole batch.
    pub add: Option<&'a [f32]>,
    /// The number of sums over each image, such as those that batch normalisation needs of each channel; not 0 where a function
    /// returns the sums of all images.
    pub sums: usize,
    /// Writes the sums of one image.
    pub sum_image: &'a SumImage<'a>,
}

impl<'a> Finish<'a> {
    /// Does nothing.
    pub const NOTHING: Self = Self { add: None, sums: 0, sum_image: &|_, _, _| () };

    /// Sums over the images.
    pub fn sum(sums: usize, sum_image: &'a SumImage<'a>) -> Self {
        Self { add: None, sums, sum_image }
    }

    /// Finishes `count` images, of which `values` holds the values and `first` is the number of the first.
    pub fn run(&self, first: usize, count: usize, values: &mut [f32], sums: &mut [f32]) {
        let len = values.len() / count;
        if let Some(add) = self.add {
            add_to(values, &add[first * len..][..values.len()]);
        }
        if self.sums > 0 {
            let images = values.chunks_exact(len).zip(sums.chunks_exact_mut(self.sums));
            (first..).zip(images).for_each(|(n, (values, sums))| (self.sum_image)(n, values, sums));
        }
    }
}

vectorised! {
/// Adds `add` to `values`.
fn add_to<'a>(values: &'a mut [f32], add: &'a [f32]) {
    values.iter_mut().zip(add).for_each(|(value, add)| *value += add);
}
}
