use std::convert::Infallible;

use embedded_graphics::{
    Drawable, Pixel,
    draw_target::DrawTarget,
    geometry::{OriginDimensions, Point, Size},
    mono_font::{MonoFont, MonoTextStyle},
    pixelcolor::{Rgb888, RgbColor},
    text::{Baseline, Text},
};
use image::{Rgb, RgbImage};

/// Writes one line of text in black; `[left, top]` is the corner of its first letter.
pub fn write(picture: &mut RgbImage, font: &MonoFont, [left, top]: [u32; 2], text: &str) {
    let style = MonoTextStyle::new(font, Rgb888::BLACK);
    let at = Point::new(left as i32, top as i32);
    let Ok(_) = Text::with_baseline(text, at, style, Baseline::Top).draw(&mut Canvas(picture));
}

/// A picture that text can be drawn on.
struct Canvas<'a>(&'a mut RgbImage);

impl OriginDimensions for Canvas<'_> {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Canvas<'_> {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(at, colour) in pixels {
            // Negative coordinates become ones that are far outside.
            if let Some(pixel) = self.0.get_pixel_mut_checked(at.x as u32, at.y as u32) {
                *pixel = Rgb([colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }
}
