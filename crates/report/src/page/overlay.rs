use colorous::INFERNO;
use image::{Rgb, RgbImage};

/// The opacity of no evidence and of the most evidence.
const OPACITY: [f32; 2] = [0.3, 0.75];

/// Lays colours from black (none) over violet and orange to yellow (this image's maximum) over an image, which remains
/// visible. The colour scale is perceptually uniform, so equal steps of evidence look equal, in greyscale as well.
///
/// `evidence` has one value per pixel, in row-major order. Negative and missing values count as none.
pub fn overlay(image: &RgbImage, evidence: &[f32]) -> RgbImage {
    let most = evidence.iter().copied().fold(0., f32::max);
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let value = evidence.get((y * image.width() + x) as usize).copied().unwrap_or_default();
        let share = if most > 0. { (value / most).clamp(0., 1.) } else { 0. };
        let opacity = OPACITY[0] + (OPACITY[1] - OPACITY[0]) * share;
        let (colour, Rgb(pixel)) = (INFERNO.eval_continuous(share.into()).as_array(), image[(x, y)]);
        let blend = |i: usize| opacity * f32::from(colour[i]) + (1. - opacity) * f32::from(pixel[i]);
        Rgb([0, 1, 2].map(|i| blend(i).round() as u8))
    })
}
