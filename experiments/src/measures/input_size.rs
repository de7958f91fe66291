//! The measure `input-size`: the same weights on images of other sizes.

use anyhow::Result;
use datasets::Images;
use layers::Layer;
use records::Point;

use super::{measure::Measure, network::TrainedNetwork};

pub static MEASURE: Measure = Measure {
    name: "input-size",
    explanations: &[(
        "top1",
        "the accuracy on square images with sides of this many pixels, either resized or padded with background",
    )],
    check: |canvas, _| match canvas {
        None => Ok(()),
        Some(_) => Err("the images are resized by the measure itself: leave the canvas out"),
    },
    run: |network, _, data| input_size(network, &data.original_test),
    draw: None,
};

/// The sides of the square images, in pixels.
const SIZES: [usize; 7] = [20, 24, 28, 32, 40, 48, 64];

/// Measures accuracy (`top1`) on the images `resized` to each size and, where they are not larger than the size, `padded`
/// with background. The value is `None` if the network does not accept the size, because its head is tied to another one
/// or the input is too small for its backbone.
pub fn input_size(network: &TrainedNetwork, images: &Images) -> Result<Vec<Point>> {
    let [channels, height, width] = images.shape;
    let measure = |setting, size: usize, images: &dyn Fn() -> Result<Images, datasets::DatasetError>| {
        let (setting, at) = (Some(setting), Some(size as f64));
        Ok(match network.model.describe(&[channels, size, size]) {
            Ok(_) => Point::share("top1", setting, at, &network.evaluate(&images()?)?.hits),
            Err(_) => Point::number("top1", setting, at, None),
        })
    };
    let resized = SIZES.into_iter().map(|size| measure("resized", size, &|| images.resized(size)));
    let not_smaller = SIZES.into_iter().filter(|&size| size >= height.max(width));
    let padded = not_smaller.map(|size| measure("padded", size, &|| images.centred(size, |_| [0, 0])));
    resized.chain(padded).collect()
}
