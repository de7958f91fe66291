//! Writes folders of images.

use std::{fs, path::Path};

use datasets::{Dataset, DatasetError, DatasetId, LoadOptions, load};
use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage};
use tempfile::TempDir;

pub fn save(folder: &Path, name: &str, image: impl Into<DynamicImage>, format: ImageFormat) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image.into().save_with_format(path, format).unwrap();
}

pub fn png(folder: &Path, name: &str, image: impl Into<DynamicImage>) {
    save(folder, name, image, ImageFormat::Png);
}

pub fn grey(value: u8) -> GrayImage {
    GrayImage::from_pixel(6, 4, Luma([value]))
}

/// Writes one training and one test image of each of the classes `ant` and `bee`.
pub fn good() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    png(folder.path(), "train/bee/1.png", grey(200));
    png(folder.path(), "train/ant/1.png", grey(100));
    png(folder.path(), "test/ant/1.png", grey(101));
    png(folder.path(), "test/bee/1.png", grey(201));
    folder
}

pub fn read(folder: &Path, input: Option<[usize; 3]>) -> Result<Dataset, DatasetError> {
    load(&DatasetId::Folder(folder.into()), &LoadOptions::default().input(input))
}

/// A colourful image, which takes several rows of JPEG blocks.
pub fn gradient(side: u32) -> RgbImage {
    RgbImage::from_fn(side, side, |x, y| Rgb([(x * 5) as u8, (y * 3) as u8, (x * y) as u8]))
}
