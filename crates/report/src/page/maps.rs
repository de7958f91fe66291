use embedded_graphics::mono_font::iso_8859_1::FONT_9X15;
use image::{Rgb, RgbImage, imageops};
use records::Row;

use super::{factors::by_model, lettering::write, strip};
use crate::document::Image;

/// The space around labels.
const GAP: u32 = 8;

/// Composes, for each data set and model, one image of where its networks look: a strip of test images, and below it one
/// strip per head with the evidence for the true class, with the names of the heads and the numbers of the images.
///
/// `strip` gives the strip of these factors: `[dataset]` for the images themselves, `[dataset, model, head]` for the
/// evidence; `None` if there is none. The second item of a pair is the composed image, to be saved under the name that
/// the first one gives.
///
/// # Errors
/// Returns the first error of `strip`.
pub fn maps<E>(
    rows: &[Row],
    mut strip: impl FnMut(&[&str]) -> Result<Option<RgbImage>, E>,
) -> Result<Vec<(Image, RgbImage)>, E> {
    let mut images = Vec::new();
    for rows in by_model(rows) {
        let Row { dataset, model, .. } = &rows[0];
        let Some(first) = strip(&[dataset])? else { continue };
        let mut strips = vec![("image", first)];
        for row in rows {
            strips.extend(strip(&[dataset, model, &row.head])?.map(|strip| (row.head.as_str(), strip)));
        }
        if strips.len() == 1 {
            continue;
        }
        let heads = strips[1..].iter().map(|(head, _)| *head).collect::<Vec<_>>().join(", ");
        let image = Image {
            file: format!("maps-{dataset}.{model}.png"),
            alternative: format!("Class maps of {model} on {dataset}, one row per head: {heads}"),
            caption: format!(
                "{model} on {dataset}, first seed: the first test images with the object's box, and below them the evidence of \
                 each head for the true class, from black (none) to yellow (the most in this image)."
            ),
        };
        images.push((image, labelled(&strips)));
    }
    Ok(images)
}

/// Strips of square images below each other, each with its name at the left, and with the number of each image above.
fn labelled(strips: &[(&str, RgbImage)]) -> RgbImage {
    let letter = FONT_9X15.character_size;
    let most = |of: &dyn Fn(&(&str, RgbImage)) -> u32| strips.iter().map(of).max().unwrap_or_default();
    let left = most(&|(name, _)| name.chars().count() as u32) * letter.width + 2 * GAP;
    let above = letter.height + GAP;
    let height: u32 = strips.iter().map(|(_, strip)| strip.height()).sum();
    let mut picture = RgbImage::from_pixel(left + most(&|(_, strip)| strip.width()), above + height, Rgb([255; 3]));
    let (_, first) = &strips[0];
    let pitch = first.height().saturating_sub(strip::GAP).max(1);
    for column in 0..first.width().saturating_sub(strip::GAP) / pitch {
        let number = (column + 1).to_string();
        let centre = left + column * pitch + (strip::GAP + pitch) / 2;
        write(&mut picture, &FONT_9X15, [centre - number.len() as u32 * letter.width / 2, GAP / 2], &number);
    }
    let mut top = above;
    for (name, strip) in strips {
        write(&mut picture, &FONT_9X15, [GAP, top + strip.height().saturating_sub(letter.height) / 2], name);
        imageops::replace(&mut picture, strip, left.into(), top.into());
        top += strip.height();
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_are_stacked_in_order_with_names_at_the_left_and_numbers_above() {
        let (wide, narrow) = (RgbImage::new(64, 24), RgbImage::from_pixel(44, 24, Rgb([0, 200, 80])));
        let picture = labelled(&[("image", wide), ("gap", narrow)]);
        let (left, above) = (5 * 9 + 2 * GAP, 15 + GAP);
        assert_eq!(picture.dimensions(), (left + 64, above + 48));
        let pixels = [(left, above), (left, above + 24), (left + 63, above + 24)].map(|at| picture[at]);
        assert_eq!(pixels, [Rgb([0; 3]), Rgb([0, 200, 80]), Rgb([255; 3])]);
        let has_ink = |[x, y, width, height]: [u32; 4]| {
            let pixels = imageops::crop_imm(&picture, x, y, width, height).to_image();
            pixels.pixels().any(|pixel| *pixel == Rgb([0; 3]))
        };
        assert!(has_ink([0, above, left, 24]) && has_ink([0, above + 24, left, 24]), "a name of each strip");
        assert!((0..3).all(|column| has_ink([left + 2 + 20 * column, 0, 20, above])), "a number of each image");
    }
}
