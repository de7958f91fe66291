use image::{GenericImage, RgbImage};
use records::Row;

use super::factors::by_model;
use crate::document::Image;

/// Composes, for each data set and model, one image of where its networks look: a strip of test images, and below it one
/// strip per head with the evidence for the true class.
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
        let (mut strips, mut heads) = (vec![first], Vec::new());
        for row in rows {
            if let Some(strip) = strip(&[dataset, model, &row.head])? {
                strips.push(strip);
                heads.push(row.head.as_str());
            }
        }
        if heads.is_empty() {
            continue;
        }
        let heads = heads.join(", ");
        let image = Image {
            file: format!("maps-{dataset}.{model}.png"),
            alternative: format!("Class maps of {model} on {dataset}, one row per head: {heads}"),
            caption: format!(
                "{model} on {dataset}, first seed. From top to bottom: the first test images with the object's box, then \
                 the evidence for the true class, from blue (none) to yellow (the most in this image), of {heads}."
            ),
        };
        images.push((image, stacked(&strips)));
    }
    Ok(images)
}

/// One image below the other, on white.
fn stacked(strips: &[RgbImage]) -> RgbImage {
    let width = strips.iter().map(RgbImage::width).max().unwrap_or_default();
    let height = strips.iter().map(RgbImage::height).sum();
    let mut stack = RgbImage::from_pixel(width, height, image::Rgb([255; 3]));
    let mut top = 0;
    for strip in strips {
        // It fits: the stack is as wide as the widest strip and as high as all together.
        let copied = stack.copy_from(strip, 0, top);
        debug_assert!(copied.is_ok(), "{copied:?}");
        top += strip.height();
    }
    stack
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn strips_are_stacked_in_order_and_narrow_ones_padded() {
        let (wide, narrow) = (RgbImage::new(4, 2), RgbImage::from_pixel(3, 1, Rgb([0, 200, 80])));
        let stacked = stacked(&[wide, narrow]);
        assert_eq!(stacked.dimensions(), (4, 3));
        let pixels = [(0, 1), (2, 2), (3, 2)].map(|at| stacked[at]);
        assert_eq!(pixels, [Rgb([0; 3]), Rgb([0, 200, 80]), Rgb([255; 3])]);
    }
}
