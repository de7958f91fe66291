use embedded_graphics::mono_font::iso_8859_1::FONT_6X10;
use image::{
    Rgb, RgbImage,
    imageops::{self, FilterType},
};

use super::lettering::write;

/// The number of images in a row.
const COLUMNS: u32 = 5;
/// The least width of an image in the picture; a smaller one is enlarged by a whole factor.
const LEAST_WIDTH: u32 = 84;
/// The number of letters that fit below an image.
const LETTERS: u32 = 18;
/// The lines below an image: true class, predicted class, probability.
const LINES: u32 = 3;
/// The height of a line of text.
const LINE: u32 = 11;
/// The space between images and around them.
const GAP: u32 = 6;

/// An image that a network classified wrongly.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    /// The image.
    pub image: RgbImage,
    /// The name of the true class.
    pub truth: String,
    /// The name of the predicted class.
    pub predicted: String,
    /// The probability of the predicted class, from 0 to 1.
    pub probability: f64,
}

/// Draws images of one size in rows of five, each with its true class, the predicted class and its probability below it.
/// Letters outside of ISO 8859-1 become question marks.
pub fn mistakes(mistakes: &[Mistake]) -> RgbImage {
    let (width, height) = mistakes.first().map_or((1, 1), |first| first.image.dimensions());
    let scale = LEAST_WIDTH.div_ceil(width.max(1));
    let (width, height) = (width * scale, height * scale);
    let cell = [width.max(LETTERS * FONT_6X10.character_size.width) + GAP, height + LINES * LINE + GAP];
    let count = mistakes.len() as u32;
    let (columns, rows) = (count.clamp(1, COLUMNS), count.div_ceil(COLUMNS));
    let mut picture = RgbImage::from_pixel(GAP + columns * cell[0], GAP + rows * cell[1], Rgb([255; 3]));
    for (mistake, place) in mistakes.iter().zip(0..) {
        let (left, top) = (GAP + place % COLUMNS * cell[0], GAP + place / COLUMNS * cell[1]);
        let image = imageops::resize(&mistake.image, width, height, FilterType::Nearest);
        imageops::replace(&mut picture, &image, left.into(), top.into());
        let Mistake { truth, predicted, probability, .. } = mistake;
        let lines = [format!("true {truth}"), format!("said {predicted}"), format!("     {:.1} %", 100. * probability)];
        for (line, number) in lines.into_iter().zip(0..) {
            let line: String = line.chars().take(LETTERS as usize).collect();
            write(&mut picture, &FONT_6X10, [left, top + height + 1 + number * LINE], &line);
        }
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(truth: &str) -> Mistake {
        let image = RgbImage::from_pixel(28, 28, Rgb([0, 0, 200]));
        Mistake { image, truth: truth.into(), predicted: "Shirt".into(), probability: 0.987 }
    }

    /// The number of black pixels in a region.
    fn ink(picture: &RgbImage, [left, top, width, height]: [u32; 4]) -> usize {
        let region = imageops::crop_imm(picture, left, top, width, height).to_image();
        region.pixels().filter(|pixel| **pixel == Rgb([0; 3])).count()
    }

    #[test]
    fn ten_mistakes_are_two_rows_of_enlarged_images_with_three_lines_of_text() {
        let picture = mistakes(&vec![mistake("Coat"); 10]);
        assert_eq!(picture.dimensions(), (6 + 5 * 114, 6 + 2 * (84 + 33 + 6)));
        assert_eq!([(6, 6), (89, 89), (120, 6), (6, 129)].map(|(x, y)| picture[(x, y)]), [Rgb([0, 0, 200]); 4]);
        for line in 0..3 {
            assert!(ink(&picture, [6, 91 + line * 11, 108, 10]) > 20, "line {line}");
        }
    }

    #[test]
    fn the_text_differs_with_the_class_and_a_long_name_is_cut() {
        let [coat, dress, long] = ["Coat", "Dress", &"W".repeat(400)].map(|truth| mistakes(&[mistake(truth)]));
        assert_ne!(coat, dress);
        assert_eq!(coat.dimensions(), long.dimensions());
        assert_eq!(ink(&long, [114, 0, 6, long.height()]), 0, "nothing is written beside the image");
    }

    #[test]
    fn a_large_image_is_not_enlarged_and_no_image_gives_an_empty_picture() {
        let large = Mistake { image: RgbImage::new(300, 200), ..mistake("Coat") };
        assert_eq!(mistakes(&[large]).dimensions(), (312, 245));
        assert_eq!(mistakes(&[]).height(), 6);
    }
}
