use std::{borrow::Cow, sync::Arc};

use image::{Rgb, RgbImage};
use rayon::prelude::*;

use crate::{
    error::DatasetError,
    source::{Budget, Cache, Source},
};

/// The largest height and width that images are resized to or placed on, so that a typo does not exhaust the memory.
pub const MAX_SIDE: usize = 4096;

/// The memory in bytes for images that are computed when they are needed, such as the decoded images of a folder.
pub(crate) const CACHE_BYTES: usize = 512 << 20;

/// The number of images that are computed in parallel when all are visited in turn.
const CHUNK: usize = 256;

/// The images and labels of one split of a data set. All images have one shape, and pixels are bytes.
///
/// Pixels are held in memory, or computed when they are needed: the images of a folder are decoded, and those on a canvas
/// drawn. Computed images are kept as far as the memory of [`LoadOptions::cache_bytes`](crate::LoadOptions) goes, so a
/// data set may be larger than that. Clones and subsets share the pixels.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Images {
    /// The channels, height and width of an image.
    pub shape: [usize; 3],
    /// The class of each image, counted from 0.
    pub labels: Vec<u32>,
    source: Arc<Source>,
    budget: Budget,
    /// The index of each image in the source; `None` if the source has exactly these images.
    indices: Option<Vec<u32>>,
}

impl Images {
    /// Returns a split of images in memory. `pixels` are those of all images, each in the order (channel, row, column).
    ///
    /// # Errors
    /// [`DatasetError::Inconsistent`] if the pixels are not `labels.len()` images of `shape`.
    pub fn new(shape: [usize; 3], pixels: Vec<u8>, labels: Vec<u32>) -> Result<Self, DatasetError> {
        let fits = shape.iter().try_fold(labels.len(), |product, &size| product.checked_mul(size));
        if fits != Some(pixels.len()) || shape.contains(&0) {
            return Err(DatasetError::Inconsistent { shape, labels: labels.len(), pixels: pixels.len() });
        }
        let budget = Budget::new(CACHE_BYTES);
        Ok(Self { shape, labels, source: Arc::new(Source::Held(pixels)), budget, indices: None })
    }

    /// Returns a split of images that `compute` returns one by one, each `shape` bytes long, when they are needed.
    pub(crate) fn computed(
        shape: [usize; 3],
        labels: Vec<u32>,
        budget: Budget,
        compute: impl Fn(usize) -> Result<Vec<u8>, DatasetError> + Send + Sync + 'static,
    ) -> Self {
        let cache = Cache::new(labels.len(), budget.clone());
        let source = Arc::new(Source::Computed { compute: Box::new(compute), cache });
        Self { shape, labels, source, budget, indices: None }
    }

    /// Returns images of another shape, each of which `compute` makes of these images and an index.
    pub(crate) fn derived(
        &self,
        shape: [usize; 3],
        compute: impl Fn(&Self, usize) -> Result<Vec<u8>, DatasetError> + Send + Sync + 'static,
    ) -> Self {
        let base = self.clone();
        Self::computed(shape, self.labels.clone(), self.budget.clone(), move |index| compute(&base, index))
    }

    /// Keeps the pixels of an image that have been computed for another reason, if there is memory for them.
    pub(crate) fn keep(&self, index: usize, pixels: Vec<u8>) {
        if let Source::Computed { cache, .. } = &*self.source {
            cache.keep(self.position(index), pixels);
        }
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
    /// # Errors
    /// A file that can no longer be read or decoded, or has changed since the data set was loaded.
    ///
    /// # Panics
    /// Panics if there is no such image.
    pub fn image(&self, index: usize) -> Result<Cow<'_, [u8]>, DatasetError> {
        self.source.image(self.position(index), self.image_size())
    }

    /// Returns the pixels of the images at `indices`, in that order. They are computed in parallel.
    ///
    /// # Errors
    /// The first error of [`image`](Self::image).
    ///
    /// # Panics
    /// Panics if there is no such image.
    pub(crate) fn read(&self, indices: &[usize]) -> Result<Vec<Cow<'_, [u8]>>, DatasetError> {
        match &*self.source {
            Source::Held(_) => indices.iter().map(|&index| self.image(index)).collect(),
            Source::Computed { .. } => {
                // Collected first, so that it is always the first error that is returned.
                let images: Vec<_> = indices.par_iter().map(|&index| self.image(index)).collect();
                images.into_iter().collect()
            }
        }
    }

    /// Returns the pixels of all images.
    ///
    /// # Errors
    /// The first error of [`image`](Self::image).
    pub fn pixels(&self) -> Result<Vec<u8>, DatasetError> {
        let mut pixels = Vec::with_capacity(self.len() * self.image_size());
        self.visit(|image| pixels.extend_from_slice(image))?;
        Ok(pixels)
    }

    /// Calls `visit` with each image in turn, while only a few of them are computed ahead.
    pub(crate) fn visit(&self, mut visit: impl FnMut(&[u8])) -> Result<(), DatasetError> {
        let indices: Vec<usize> = (0..self.len()).collect();
        for chunk in indices.chunks(CHUNK) {
            self.read(chunk)?.iter().for_each(|image| visit(image));
        }
        Ok(())
    }

    /// Returns image `index` in colour if it has three channels, or else in the grey of its first channel.
    ///
    /// # Errors
    /// Those of [`image`](Self::image).
    ///
    /// # Panics
    /// Panics if there is no such image.
    pub fn rgb(&self, index: usize) -> Result<RgbImage, DatasetError> {
        let ([channels, height, width], values) = (self.shape, self.image(index)?);
        Ok(RgbImage::from_fn(width as u32, height as u32, |x, y| {
            let position = y as usize * width + x as usize;
            let channel = |channel| if channels == 3 { channel * height * width } else { 0 };
            Rgb([0, 1, 2].map(|index| values[channel(index) + position]))
        }))
    }

    /// Returns the images at `indices`, in that order.
    ///
    /// # Panics
    /// Panics if there is no such image.
    pub fn subset(&self, indices: &[usize]) -> Self {
        Self {
            shape: self.shape,
            labels: indices.iter().map(|&index| self.labels[index]).collect(),
            source: self.source.clone(),
            budget: self.budget.clone(),
            indices: Some(indices.iter().map(|&index| self.position(index) as u32).collect()),
        }
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

    /// Returns the index of an image in the source.
    fn position(&self, index: usize) -> usize {
        self.indices.as_ref().map_or(index, |indices| indices[index] as usize)
    }
}

/// Images are equal if their shapes, labels and pixels are. Images that cannot be read are not equal to any.
impl PartialEq for Images {
    fn eq(&self, other: &Self) -> bool {
        let same = |index| matches!((self.image(index), other.image(index)), (Ok(a), Ok(b)) if a == b);
        self.shape == other.shape && self.labels == other.labels && (0..self.len()).all(same)
    }
}
