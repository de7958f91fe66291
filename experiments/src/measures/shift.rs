//! The measure `shift`: images that lay in the middle of the canvas in training, moved away from it.

use anyhow::Result;
use datasets::{Canvas, Images};
use records::Point;

use super::{measure::Measure, network::TrainedNetwork};

pub static MEASURE: Measure = Measure {
    name: "shift",
    explanations: &[
        ("top1", "the accuracy on images that are moved up, down, left or right by this many pixels"),
        (
            "consistency",
            "the share of images that get the same prediction as without the shift, right or wrong (Zhang 2019)",
        ),
    ],
    check: |canvas, _| match canvas {
        Some(Canvas::Centred { .. }) => Ok(()),
        _ => Err("the images need room to be moved: set a `canvas` of kind `centred`"),
    },
    run: |network, _, data| shift(network, &data.original_test, data.test.shape[1]),
    draw: None,
};

/// The directions up, down, left and right, as (down, right).
const DIRECTIONS: [[isize; 2]; 4] = [[-1, 0], [1, 0], [0, -1], [0, 1]];

/// Measures accuracy (`top1`) and consistency, which is whether the answer is the same as for the unmoved image, right or
/// wrong (Zhang 2019), at each distance that keeps the whole image on a square canvas of `canvas` pixels a side.
///
/// Image `i` moves in direction `i mod 4` at every distance. Each image is therefore classified once per distance, and its
/// hits can be paired with those of another network.
pub fn shift(network: &TrainedNetwork, images: &Images, canvas: usize) -> Result<Vec<Point>> {
    let [_, height, width] = images.shape;
    let mut points = Vec::new();
    let mut unmoved = None;
    for distance in 0..=canvas.saturating_sub(height.max(width)) / 2 {
        let moved = images.centred(canvas, |index| DIRECTIONS[index % 4].map(|step| step * distance as isize))?;
        let evaluation = network.evaluate(&moved)?;
        let unmoved = unmoved.get_or_insert_with(|| evaluation.predictions.clone());
        let same: Vec<bool> = evaluation.predictions.iter().zip(unmoved).map(|(now, before)| now == before).collect();
        let at = Some(distance as f64);
        points.push(Point::share("top1", None, at, &evaluation.hits));
        points.push(Point::share("consistency", None, at, &same));
    }
    Ok(points)
}
