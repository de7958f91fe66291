use serde::{Deserialize, Serialize};

use crate::{error::DatasetError, images::Images};

/// The mean and standard deviation of each channel, of pixels scaled to 0 to 1. Compute them from the training images
/// and use them for all images.
///
/// ```
/// use datasets::{Images, Standardization};
///
/// let images = Images::new([1, 1, 2], vec![0, 255], vec![7])?;
/// assert_eq!(Standardization::of(&images)?, Standardization { mean: vec![0.5], std: vec![0.5] });
/// # Ok::<(), datasets::DatasetError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standardization {
    /// The mean of each channel.
    pub mean: Vec<f32>,
    /// The standard deviation of each channel (of the population, not a sample); 1 for a constant channel.
    pub std: Vec<f32>,
}

impl Standardization {
    /// Computes the statistics of `images`. They are exact, since the 256 pixel values are counted, and so do not
    /// depend on the order of the images.
    ///
    /// # Errors
    /// Images that cannot be read; see [`Images::image`].
    pub fn of(images: &Images) -> Result<Self, DatasetError> {
        let [channels, height, width] = images.shape;
        let mut counts = vec![[0u64; 256]; channels];
        images.visit(|image| {
            for (counts, plane) in counts.iter_mut().zip(image.chunks_exact(height * width)) {
                plane.iter().for_each(|&value| counts[usize::from(value)] += 1);
            }
        })?;
        let (mean, std) = counts
            .iter()
            .map(|counts| {
                let total = counts.iter().sum::<u64>().max(1) as f64;
                let average = |of: &dyn Fn(f64) -> f64| {
                    let weighted =
                        counts.iter().enumerate().map(|(value, &count)| count as f64 * of(value as f64 / 255.));
                    weighted.sum::<f64>() / total
                };
                let mean = average(&|value| value);
                let std = average(&|value| (value - mean).powi(2)).sqrt();
                // Counted, because the deviation of a constant channel is not exactly 0 if its mean is rounded.
                let constant = counts.iter().filter(|&&count| count > 0).count() <= 1;
                (mean as f32, if constant { 1. } else { std as f32 })
            })
            .unzip();
        Ok(Self { mean, std })
    }

    /// Returns, for each channel, the standardised value of each of the 256 pixel values.
    pub(crate) fn tables(&self) -> Vec<[f32; 256]> {
        let table = |(mean, std)| std::array::from_fn(|value| (value as f32 / 255. - mean) / std);
        self.mean.iter().zip(&self.std).map(table).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_those_of_the_pixels_of_each_channel() {
        let images = Images::new([2, 1, 2], vec![0, 255, 51, 51, 0, 255, 51, 51], vec![0, 1]).unwrap();
        let standardization = Standardization::of(&images).unwrap();
        assert_eq!(standardization.mean, [0.5, 0.2]);
        assert_eq!(standardization.std, [0.5, 1.0]); // the second channel is constant
    }

    #[test]
    fn a_channel_is_constant_also_where_its_mean_is_rounded() {
        let images = Images::new([1, 28, 28], vec![29; 3 * 28 * 28], vec![0; 3]).unwrap();
        assert_eq!(Standardization::of(&images).unwrap(), Standardization { mean: vec![29. / 255.], std: vec![1.] });
    }
}
