//! The same weights on images of other sizes.

use anyhow::Result;
use datasets::Images;
use layers::Layer;

use super::{Subject, number, share};
use crate::record::Point;

const SIZES: [usize; 7] = [20, 24, 28, 32, 40, 48, 64];

/// Accuracy (`top1`) on the images `resized` to each size, and, where they are not larger than it, `padded` with
/// background around them. None where the network does not take the size: a head tied to another one, or an input too
/// small for the backbone.
pub fn input_size(subject: &Subject, images: &Images) -> Result<Vec<Point>> {
    let [channels, height, width] = images.shape;
    let mut points = Vec::new();
    let mut add = |setting, size: usize, images: &dyn Fn() -> Result<Images, datasets::DatasetError>| -> Result<()> {
        let (setting, at) = (Some(setting), Some(size as f64));
        points.push(match subject.model.describe(&[channels, size, size]) {
            Ok(_) => share("top1", setting, at, &subject.evaluate(&images()?)?.hits),
            Err(_) => number("top1", setting, at, None),
        });
        Ok(())
    };
    for size in SIZES {
        add("resized", size, &|| images.resized(size))?;
    }
    for size in SIZES.into_iter().filter(|&size| size >= height.max(width)) {
        add("padded", size, &|| images.centred(size, |_| [0, 0]))?;
    }
    Ok(points)
}
