use image::{Rgb, RgbImage, imageops};

use super::overlay::overlay;

/// The side of an image's pixel in the strip.
const SCALE: u32 = 2;
/// The width of the space around each image.
pub const GAP: u32 = 4;
const WHITE: Rgb<u8> = Rgb([255; 3]);
const BOX: Rgb<u8> = Rgb([0, 200, 80]);

/// An image with the box of its object, and possibly where a network sees evidence for its class.
#[derive(Clone, Debug, PartialEq)]
pub struct LocatedImage<'a> {
    /// The image.
    pub image: RgbImage,
    /// The box `[y0, x0, y1, x1]` of the object, which excludes row `y1` and column `x1`.
    pub bbox: [usize; 4],
    /// The evidence at each pixel, in row-major order and not negative.
    pub evidence: Option<&'a [f32]>,
}

/// Draws images of one size in a row at twice their size, each with its object's box. An image with evidence is overlaid
/// with colours from black (none) to yellow (this image's maximum).
pub fn strip(images: &[LocatedImage]) -> RgbImage {
    let (width, height) = images.first().map_or((0, 0), |first| first.image.dimensions());
    let extent = |images: u32, size: u32| GAP + images * (size * SCALE + GAP);
    let mut strip = RgbImage::from_pixel(extent(images.len() as u32, width), extent(1, height), WHITE);
    for (image, place) in images.iter().zip(0..) {
        imageops::replace(&mut strip, &drawn(image), extent(place, width).into(), GAP.into());
    }
    strip
}

fn drawn(LocatedImage { image, bbox, evidence }: &LocatedImage) -> RgbImage {
    let (width, height) = image.dimensions();
    let (columns, rows) = (width * SCALE, height * SCALE);
    let overlaid = evidence.map(|evidence| overlay(image, evidence));
    let shown = overlaid.as_ref().unwrap_or(image);
    let mut drawn = RgbImage::from_fn(columns, rows, |x, y| shown[(x / SCALE, y / SCALE)]);
    let [y0, x0, y1, x1] = bbox.map(|edge| edge as u32 * SCALE);
    // The box surrounds the object, except at the border of the image.
    let (top, left) = (y0.saturating_sub(1), x0.saturating_sub(1));
    let (bottom, right) = (y1.min(rows - 1), x1.min(columns - 1));
    (left..=right).for_each(|x| [top, bottom].into_iter().for_each(|y| drawn.put_pixel(x, y, BOX)));
    (top..=bottom).for_each(|y| [left, right].into_iter().for_each(|x| drawn.put_pixel(x, y, BOX)));
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(evidence: Option<&[f32]>) -> [LocatedImage<'_>; 1] {
        let mut image = RgbImage::new(8, 8);
        image[(3, 3)] = Rgb([200; 3]);
        [LocatedImage { image, bbox: [2, 2, 5, 5], evidence }]
    }

    #[test]
    fn an_image_is_drawn_at_twice_its_size_with_a_box_around_its_object() {
        let picture = strip(&one(None));
        assert_eq!(picture.dimensions(), (24, 24));
        assert_eq!((picture[(0, 0)], picture[(4, 4)]), (WHITE, Rgb([0; 3])));
        assert_eq!(
            (picture[(10, 10)], picture[(11, 11)], picture[(12, 10)]),
            (Rgb([200; 3]), Rgb([200; 3]), Rgb([0; 3]))
        );
        // The object covers 8 to 13: the box is drawn around it.
        assert_eq!([(7, 7), (14, 7), (7, 14), (14, 14), (10, 7)].map(|at| picture[at]), [BOX; 5]);
        assert_eq!(picture[(8, 8)], Rgb([0; 3]));
    }

    #[test]
    fn evidence_is_bright_and_a_map_without_any_is_dark() {
        let brightness = |picture: &RgbImage, at| picture[at].0.iter().map(|&value| u32::from(value)).sum::<u32>();
        let rising = strip(&one(Some(&(0..64).map(|i| i as f32).collect::<Vec<_>>())));
        let row: Vec<u32> = (0..8).map(|row| brightness(&rising, (18, 4 + 2 * row))).collect();
        assert!(row.is_sorted_by(|a, b| a < b), "{row:?}");
        let empty = strip(&one(Some(&[0.; 64])));
        assert_eq!(empty[(4, 4)], empty[(19, 19)]);
        assert_eq!(strip(&one(Some(&[]))), empty, "pixels without a value have no evidence");
    }
}
