//! Pictures of class maps.

use anyhow::{Result, ensure};
use datasets::{Images, Object};
use image::{Rgb, RgbImage, imageops};

use super::{class_map::ClassMap, pixels::range};

/// The side of an image's pixel in the picture.
const SCALE: usize = 2;
/// The width of the space around each image.
const GAP: usize = 4;
const WHITE: Rgb<u8> = Rgb([255; 3]);
const BOX: Rgb<u8> = Rgb([0, 200, 80]);

/// A row of images, and the same row with a network's evidence over each image.
pub struct Maps {
    pub images: RgbImage,
    pub maps: RgbImage,
}

/// Draws the images in a row, each with its object's box. If `maps` are given, each image is overlaid with the evidence for
/// its class, from blue (none) to yellow (this image's maximum).
///
/// # Errors
/// Numbers of objects or maps that differ from the number of images.
pub fn strip(images: &Images, objects: &[Object], maps: Option<&[ClassMap]>) -> Result<RgbImage> {
    let count = images.len();
    ensure!(objects.len() == count, "{count} images cannot be paired with {} objects", objects.len());
    ensure!(
        maps.is_none_or(|maps| maps.len() == count),
        "{count} images cannot be paired with {} maps",
        maps.map_or(0, <[_]>::len)
    );
    let [_, height, width] = images.shape;
    let extent = |cells: usize, size: usize| (GAP + cells * (size * SCALE + GAP)) as u32;
    let mut picture = RgbImage::from_pixel(extent(count, width), extent(1, height), WHITE);
    for (index, object) in objects.iter().enumerate() {
        let drawn = draw(images, index, maps.map(|maps| &maps[index]), object);
        imageops::replace(&mut picture, &drawn, extent(index, width).into(), GAP as i64);
    }
    Ok(picture)
}

fn draw(images: &Images, index: usize, map: Option<&ClassMap>, object: &Object) -> RgbImage {
    let [channels, height, width] = images.shape;
    let (image, plane) = (images.image(index), height * width);
    let most = map.map(|map| range(&map.values).1).filter(|&most| most > 0.);
    let (columns, rows) = ((width * SCALE) as u32, (height * SCALE) as u32);
    let mut drawn = RgbImage::from_fn(columns, rows, |x, y| {
        let at = y as usize / SCALE * width + x as usize / SCALE;
        let pixel = [0, 1, 2].map(|channel| image[if channels == 3 { channel * plane + at } else { at }]);
        match map {
            None => Rgb(pixel),
            Some(map) => blend(pixel, heat(most.map_or(0., |most| map.values[at] / most))),
        }
    });
    let [y0, x0, y1, x1] = object.bbox.map(|edge| (edge * SCALE) as u32);
    // The box surrounds the object, except at the border of the image.
    let (top, left) = (y0.saturating_sub(1), x0.saturating_sub(1));
    let (bottom, right) = (y1.min(rows - 1), x1.min(columns - 1));
    (left..=right).for_each(|x| [top, bottom].into_iter().for_each(|y| drawn.put_pixel(x, y, BOX)));
    (top..=bottom).for_each(|y| [left, right].into_iter().for_each(|x| drawn.put_pixel(x, y, BOX)));
    drawn
}

/// Blends a pixel with the colour of its evidence. Dark evidence leaves the image visible.
fn blend(pixel: [u8; 3], heat: [f32; 3]) -> Rgb<u8> {
    Rgb([0, 1, 2].map(|i| (0.45 * f32::from(pixel[i]) + 0.55 * heat[i]) as u8))
}

/// The colour of a value from 0 to 1: dark blue, violet, orange, yellow. Brightness increases with the value, so the scale
/// also works in greyscale.
fn heat(value: f32) -> [f32; 3] {
    const COLOURS: [[f32; 3]; 4] = [[10., 10., 90.], [150., 20., 120.], [240., 120., 30.], [255., 240., 90.]];
    let position = value.clamp(0., 1.) * (COLOURS.len() - 1) as f32;
    let before = (position as usize).min(COLOURS.len() - 2);
    let (weight, [from, to]) = (position - before as f32, [COLOURS[before], COLOURS[before + 1]]);
    [0, 1, 2].map(|i| from[i] + (to[i] - from[i]) * weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> (Images, Vec<Object>) {
        let mut pixels = vec![0; 64];
        pixels[3 * 8 + 3] = 200;
        let images = Images::new([1, 8, 8], pixels, vec![0]).unwrap();
        (images, vec![Object { bbox: [2, 2, 5, 5], pixels: vec![27] }])
    }

    #[test]
    fn an_image_is_drawn_at_twice_its_size_with_a_box_around_its_object() {
        let (images, objects) = one();
        let picture = strip(&images, &objects, None).unwrap();
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
        let (images, objects) = one();
        let map = |values| [ClassMap { values, peak: None, correct: true }];
        let brightness = |picture: &RgbImage, at| picture[at].0.iter().map(|&value| u32::from(value)).sum::<u32>();
        let rising = strip(&images, &objects, Some(&map((0..64).map(|i| i as f32).collect()))).unwrap();
        let row: Vec<u32> = (0..8).map(|row| brightness(&rising, (18, 4 + 2 * row))).collect();
        assert!(row.is_sorted_by(|a, b| a < b), "{row:?}");
        let empty = strip(&images, &objects, Some(&map(vec![0.; 64]))).unwrap();
        assert_eq!(empty[(4, 4)], empty[(19, 19)]);
        assert!(strip(&images, &objects, Some(&[])).is_err());
    }
}
