//! Entry points for fuzzing, which read bytes instead of files.

use std::path::Path;

use crate::{
    cifar,
    error::DatasetError,
    idx, image_file,
    images::Images,
    pairs::{PairOptions, Pairs, read_parts},
    raw_file::RawFile,
};

/// Reads a file of images and one of labels in the IDX format.
pub fn idx(images: &[u8], labels: &[u8], classes: usize) -> Result<Images, DatasetError> {
    idx::read_split(&[RawFile::embedded("images", images), RawFile::embedded("labels", labels)], classes)
}

/// Reads one file in the binary format of CIFAR-10.
pub fn cifar(bytes: &[u8], classes: usize) -> Result<Images, DatasetError> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    cifar::append(&RawFile::embedded("batch", bytes), classes, &mut pixels, &mut labels)?;
    Images::new(cifar::SHAPE, pixels, labels)
}

/// Decodes a PNG, JPEG, BMP or WebP image whose decoded size is at most `max_decoded` bytes, and resizes it.
pub fn image(bytes: &[u8], shape: [usize; 3], max_decoded: u64) -> Result<Vec<u8>, DatasetError> {
    image_file::decode_resized(Path::new("image"), bytes, shape, max_decoded)
}

/// Reads the files of interactions, proteins and drugs.
pub fn pairs(interactions: &[u8], proteins: &[u8], drugs: &[u8], options: &PairOptions) -> Result<Pairs, DatasetError> {
    read_parts(("dti".into(), interactions), ("protein".into(), proteins), ("compound".into(), drugs), options)
}
