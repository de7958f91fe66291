use crate::DatasetError;

/// One split of a data set: images of one size as bytes, and their labels.
///
/// `pixels` holds the images one behind the other, each in the order (channel, row, column), so that
/// `pixels.len() == labels.len() * shape.product()`; [`Images::new`] checks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Channels, height, width.
    pub shape: [usize; 3],
    pub pixels: Vec<u8>,
    /// The class of each image, counted from 0.
    pub labels: Vec<u32>,
}

impl Images {
    /// Puts a split together.
    ///
    /// # Errors
    /// [`DatasetError::Inconsistent`] where the pixels are not `labels.len()` images of `shape`.
    pub fn new(shape: [usize; 3], pixels: Vec<u8>, labels: Vec<u32>) -> Result<Self, DatasetError> {
        let fits = shape.iter().try_fold(labels.len(), |product, &size| product.checked_mul(size));
        if fits != Some(pixels.len()) || shape.contains(&0) {
            return Err(DatasetError::Inconsistent { shape, labels: labels.len(), pixels: pixels.len() });
        }
        Ok(Self { shape, pixels, labels })
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The pixels of image `index`, in the order (channel, row, column).
    ///
    /// # Panics
    /// Where there is no such image.
    pub fn image(&self, index: usize) -> &[u8] {
        let size = self.image_size();
        &self.pixels[index * size..][..size]
    }

    /// The images at `indices`, in that order.
    ///
    /// # Panics
    /// Where there is no such image.
    pub fn subset(&self, indices: &[usize]) -> Self {
        let mut pixels = Vec::with_capacity(indices.len() * self.image_size());
        indices.iter().for_each(|&index| pixels.extend_from_slice(self.image(index)));
        Self { shape: self.shape, pixels, labels: indices.iter().map(|&index| self.labels[index]).collect() }
    }

    /// How many images each of the classes `0..classes` has. Labels beyond are not counted.
    pub fn class_counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for &label in &self.labels {
            if let Some(count) = counts.get_mut(label as usize) {
                *count += 1;
            }
        }
        counts
    }

    /// Bytes per image.
    pub(crate) fn image_size(&self) -> usize {
        self.shape.iter().product()
    }
}
