/// Pixels below it are background: the faint fringe that antialiasing and compression leave does not widen a box.
const INK: u8 = 26; // a tenth of full brightness

/// Where an image's object, say a digit, is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The tight box around its pixels, `[y0, x0, y1, x1]`, half-open. Where there is no ink at all it is the frame of the
    /// image that was placed.
    pub bbox: [usize; 4],
    /// Its pixels, exactly: the positions `y · width + x`, ascending, at which some channel has a tenth of full brightness
    /// or more.
    pub pixels: Vec<u32>,
}

impl Object {
    /// The object of an `image` of `shape` (channels, height, width) that lies with its first pixel at `corner` (y, x) of
    /// a canvas of this width.
    pub(crate) fn of(image: &[u8], [_, height, width]: [usize; 3], corner: [usize; 2], canvas: usize) -> Self {
        let mut pixels = Vec::new();
        let [mut top, mut left, mut bottom, mut right] = [usize::MAX, usize::MAX, 0, 0];
        for position in 0..height * width {
            if image[position..].iter().step_by(height * width).all(|&value| value < INK) {
                continue;
            }
            let (y, x) = (corner[0] + position / width, corner[1] + position % width);
            pixels.push((y * canvas + x) as u32);
            [top, left, bottom, right] = [top.min(y), left.min(x), bottom.max(y + 1), right.max(x + 1)];
        }
        if pixels.is_empty() {
            [top, left, bottom, right] = [corner[0], corner[1], corner[0] + height, corner[1] + width];
        }
        Self { bbox: [top, left, bottom, right], pixels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_box_is_tight_and_what_is_fainter_than_a_tenth_is_background() {
        let image = [
            25, 0, 0, 0, //
            0, 26, 0, 0, //
            0, 255, 90, 0,
        ];
        let object = Object::of(&image, [1, 3, 4], [2, 5], 10);
        assert_eq!(object, Object { bbox: [3, 6, 5, 8], pixels: vec![36, 46, 47] });
    }

    #[test]
    fn ink_in_any_channel_counts() {
        let image = [0, 0, 200, 0, 0, 0];
        assert_eq!(Object::of(&image, [3, 1, 2], [0, 0], 2), Object { bbox: [0, 0, 1, 1], pixels: vec![0] });
    }

    #[test]
    fn an_image_without_ink_has_its_frame_for_a_box() {
        assert_eq!(Object::of(&[0; 6], [1, 2, 3], [1, 1], 5), Object { bbox: [1, 1, 3, 4], pixels: vec![] });
    }
}
