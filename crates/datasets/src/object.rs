/// The lowest value of a pixel that belongs to an object: a tenth of full brightness. Antialiasing and compression
/// leave a faint fringe, which must not widen the box.
const INK: u8 = 26;

/// The position of the object on an image, such as a digit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The tight bounding box `[y0, x0, y1, x1]` of the pixels, without row y1 and column x1. If no pixel is bright
    /// enough, it is the frame of the placed image.
    pub bbox: [usize; 4],
    /// The mask of the object: the positions `y · width + x`, in ascending order, at which any channel has at least a
    /// tenth of full brightness.
    pub pixels: Vec<u32>,
}

impl Object {
    /// Finds the object of an `image` of `shape` (channels, height, width) whose first pixel lies at `corner` (y, x) of
    /// a canvas that is `canvas` pixels wide.
    pub(crate) fn locate(image: &[u8], [_, height, width]: [usize; 3], corner: [usize; 2], canvas: usize) -> Self {
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
        let object = Object::locate(&image, [1, 3, 4], [2, 5], 10);
        assert_eq!(object, Object { bbox: [3, 6, 5, 8], pixels: vec![36, 46, 47] });
    }

    #[test]
    fn ink_in_any_channel_counts() {
        let image = [0, 0, 200, 0, 0, 0];
        assert_eq!(Object::locate(&image, [3, 1, 2], [0, 0], 2), Object { bbox: [0, 0, 1, 1], pixels: vec![0] });
    }

    #[test]
    fn an_image_without_ink_has_its_frame_for_a_box() {
        assert_eq!(Object::locate(&[0; 6], [1, 2, 3], [1, 1], 5), Object { bbox: [1, 1, 3, 4], pixels: vec![] });
    }
}
