use super::parallel;

/// Sums that are added up at a time.
const CHUNK: usize = 1 << 12;

/// From the number of an image and what was written for it to its tallies.
pub type OfImage<'a> = dyn Fn(usize, &[f32], &mut [f32]) + Sync + 'a;

/// Sums over what a kernel writes for each image, taken right after it: later it would have to come from memory again.
#[derive(Clone, Copy)]
pub struct Tally<'a> {
    /// How many for an image.
    pub len: usize,
    pub of_image: &'a OfImage<'a>,
}

impl Tally<'_> {
    pub const NONE: Self = Tally { len: 0, of_image: &|_, _, _| () };

    /// Those of some images from number `first` on, `tallies` is theirs.
    pub fn take(&self, first: usize, images: usize, values: &[f32], tallies: &mut [f32]) {
        if self.len > 0 {
            let images = values.chunks_exact(values.len() / images).zip(tallies.chunks_exact_mut(self.len));
            (first..).zip(images).for_each(|(n, (values, tallies))| (self.of_image)(n, values, tallies));
        }
    }
}

/// Of what groups of images have, `group` values each, of which the first `len` are sums and the rest tallies: the sums
/// added up, and the tallies one after the other.
pub fn added_up(partial: &[f32], group: usize, len: usize) -> (Vec<f32>, Vec<f32>) {
    let groups = partial.chunks_exact(group);
    let tallies = groups.clone().flat_map(|group| &group[len..]).copied().collect();
    let sums = parallel::filled(len, CHUNK, partial.len(), |i, sums| {
        let sums = sums.take_all();
        for group in groups.clone() {
            sums.iter_mut().zip(&group[i * CHUNK..len]).for_each(|(sum, part)| *sum += part);
        }
    });
    (sums, tallies)
}
