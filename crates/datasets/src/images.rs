use image::{Rgb, RgbImage};

use crate::error::DatasetError;

/// The largest height and width that images are resized to or placed on, so that a typo does not exhaust the memory.
pub const MAX_SIDE: usize = 4096;

/// The images and labels of one split of a data set. All images have one shape, and pixels are bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Images {
    /// The channels, height and width of an image.
    pub shape: [usize; 3],
    /// The pixels of all images, each in the order (channel, row, column). Their number is `labels.len()` times the
    /// product of `shape`.
    pub pixels: Vec<u8>,
    /// The class of each image, counted from 0.
    pub labels: Vec<u32>,
}

impl Images {
    /// Returns a split, after checking that its parts fit.
    ///
    /// # Errors
    /// [`DatasetError::Inconsistent`] if the pixels are not `labels.len()` images of `shape`.
    pub fn new(shape: [usize; 3], pixels: Vec<u8>, labels: Vec<u32>) -> Result<Self, DatasetError> {
        let fits = shape.iter().try_fold(labels.len(), |product, &size| product.checked_mul(size));
        if fits != Some(pixels.len()) || shape.contains(&0) {
            return Err(DatasetError::Inconsistent { shape, labels: labels.len(), pixels: pixels.len() });
        }
        Ok(Self { shape, pixels, labels })
    }

    /// Returns the number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Returns whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Returns the pixels of image `index`, in the order (channel, row, column).
    ///
    /// # Panics
    /// Panics if there is no such image.
    pub fn image(&self, index: usize) -> &[u8] {
        let size = self.image_size();
        &self.pixels[index * size..][..size]
    }

    /// Returns image `index` in colour if it has three channels, or else in the grey of its first channel.
    ///
    /// # Panics
    /// Panics if there is no such image.
    pub fn rgb(&self, index: usize) -> RgbImage {
        let ([channels, height, width], values) = (self.shape, self.image(index));
        RgbImage::from_fn(width as u32, height as u32, |x, y| {
            let position = y as usize * width + x as usize;
            let channel = |channel| if channels == 3 { channel * height * width } else { 0 };
            Rgb([0, 1, 2].map(|index| values[channel(index) + position]))
        })
    }

    /// Returns the images at `indices`, in that order.
    ///
    /// # Panics
    /// Panics if there is no such image.
    pub fn subset(&self, indices: &[usize]) -> Self {
        let mut pixels = Vec::with_capacity(indices.len() * self.image_size());
        indices.iter().for_each(|&index| pixels.extend_from_slice(self.image(index)));
        Self { shape: self.shape, pixels, labels: indices.iter().map(|&index| self.labels[index]).collect() }
    }

    /// Returns the number of images of each of the classes `0..classes`. Higher labels are not counted.
    pub fn class_counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for &label in &self.labels {
            if let Some(count) = counts.get_mut(label as usize) {
                *count += 1;
            }
        }
        counts
    }

    /// Returns the number of bytes of an image.
    pub(crate) fn image_size(&self) -> usize {
        self.shape.iter().product()
    }
}
