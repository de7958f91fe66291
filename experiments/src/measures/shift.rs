//! Digits that lay in the middle of the canvas in training, moved away from it.

use anyhow::Result;
use datasets::Images;

use super::{Subject, share};
use crate::record::Point;

/// Up, down, left, right, as (down, right).
const DIRECTIONS: [[isize; 2]; 4] = [[-1, 0], [1, 0], [0, -1], [0, 1]];

/// Accuracy (`top1`) and consistency — whether the answer is the one for the unmoved image, right or wrong (Zhang
/// 2019) — for each distance that keeps the whole image on a canvas of this size.
///
/// Image `i` moves in direction `i mod 4`, at every distance the same: each image is looked at once per distance, and its
/// hits can be paired with those of another network.
pub fn shift(subject: &Subject, images: &Images, canvas: usize) -> Result<Vec<Point>> {
    let [_, height, width] = images.shape;
    let mut points = Vec::new();
    let mut unmoved = None;
    for distance in 0..=canvas.saturating_sub(height.max(width)) / 2 {
        let moved = images.centred(canvas, |index| DIRECTIONS[index % 4].map(|step| step * distance as isize))?;
        let evaluation = subject.evaluate(&moved)?;
        let unmoved = unmoved.get_or_insert_with(|| evaluation.predictions.clone());
        let same: Vec<bool> = evaluation.predictions.iter().zip(unmoved).map(|(now, before)| now == before).collect();
        let at = Some(distance as f64);
        points.push(share("top1", None, at, &evaluation.hits));
        points.push(share("consistency", None, at, &same));
    }
    Ok(points)
}
