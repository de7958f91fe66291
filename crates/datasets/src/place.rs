//! Resizes images, or places them on larger canvases of background.

use image::{
    GrayImage,
    imageops::{FilterType, resize},
};

use crate::{
    error::DatasetError,
    images::{Images, MAX_SIDE},
};

impl Images {
    /// Resizes every image to `size`×`size` by antialiased bilinear interpolation (a triangle filter that widens with
    /// the scale), like the images of folders.
    ///
    /// # Errors
    /// [`DatasetError::InvalidCanvas`] for a size of 0 and for one above [`MAX_SIDE`].
    pub fn resized(&self, size: usize) -> Result<Self, DatasetError> {
        self.check_canvas(size)?;
        let [channels, height, width] = self.shape;
        Ok(self.derived([channels, size, size], move |images, index| {
            let mut pixels = Vec::with_capacity(channels * size * size);
            for plane in images.image(index)?.chunks_exact(height * width) {
                let value = |x, y| [plane[y as usize * width + x as usize]].into();
                let plane = GrayImage::from_fn(width as u32, height as u32, value);
                pixels.extend(resize(&plane, size as u32, size as u32, FilterType::Triangle).into_raw());
            }
            Ok(pixels)
        }))
    }

    /// Places every image on a `size`×`size` canvas of background (0). Image `index` is shifted from the centre by
    /// `shift(index)`: pixels down, pixels to the right.
    ///
    /// # Errors
    /// [`DatasetError::InvalidCanvas`] for an image that does not lie entirely on its canvas.
    ///
    /// # Examples
    /// ```
    /// # use datasets::Images;
    /// let images = Images::new([1, 1, 1], vec![9], vec![0])?;
    /// assert_eq!(images.centred(3, |_| [0, 0])?.pixels()?, [0, 0, 0, 0, 9, 0, 0, 0, 0]);
    /// assert_eq!(images.centred(3, |_| [1, -1])?.pixels()?, [0, 0, 0, 0, 0, 0, 9, 0, 0]);
    /// assert!(images.centred(3, |_| [0, 2]).is_err());
    /// # Ok::<(), datasets::DatasetError>(())
    /// ```
    pub fn centred(&self, size: usize, shift: impl Fn(usize) -> [isize; 2]) -> Result<Self, DatasetError> {
        let [free_y, free_x] = self.free_space(size)?;
        let mut corners = Vec::with_capacity(self.len());
        for [down, right] in (0..self.len()).map(shift) {
            let corner = |free: usize, by: isize| (free / 2).checked_add_signed(by).filter(|&corner| corner <= free);
            let (Some(y), Some(x)) = (corner(free_y, down), corner(free_x, right)) else {
                let reason = format!("shifted by {down} down and {right} to the right they would be cut off");
                return Err(self.invalid_canvas(size, reason));
            };
            corners.push([y, x]);
        }
        Ok(self.derived([self.shape[0], size, size], move |images, index| {
            Ok(place(&images.image(index)?, images.shape, corners[index], size))
        }))
    }

    /// Returns the largest y and x of a corner at which an image lies entirely on its canvas.
    pub(crate) fn free_space(&self, size: usize) -> Result<[usize; 2], DatasetError> {
        self.check_canvas(size)?;
        let [_, height, width] = self.shape;
        match (size.checked_sub(height), size.checked_sub(width)) {
            (Some(down), Some(right)) => Ok([down, right]),
            _ => Err(self.invalid_canvas(size, format!("it must be at least {}", height.max(width)))),
        }
    }

    fn check_canvas(&self, size: usize) -> Result<(), DatasetError> {
        if !(1..=MAX_SIDE).contains(&size) {
            return Err(self.invalid_canvas(size, format!("possible sizes are 1 to {MAX_SIDE}")));
        }
        Ok(())
    }

    pub(crate) fn invalid_canvas(&self, canvas: usize, reason: String) -> DatasetError {
        let [_, height, width] = self.shape;
        DatasetError::InvalidCanvas { canvas, height, width, reason }
    }
}

/// Returns a canvas of background on which the first pixel of `image` lies at the corner (y, x).
pub(crate) fn place(image: &[u8], [channels, height, width]: [usize; 3], [y, x]: [usize; 2], size: usize) -> Vec<u8> {
    let mut pixels = vec![0; channels * size * size];
    for (canvas, plane) in pixels.chunks_exact_mut(size * size).zip(image.chunks_exact(height * width)) {
        for (row, values) in plane.chunks_exact(width).enumerate() {
            canvas[(y + row) * size + x..][..width].copy_from_slice(values);
        }
    }
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn images(shape: [usize; 3], count: usize) -> Images {
        let pixels = (0..count * shape.iter().product::<usize>()).map(|i| (1 + i * 37 % 255) as u8).collect();
        Images::new(shape, pixels, (0..count as u32).collect()).unwrap()
    }

    #[test]
    fn images_of_their_own_size_stay_as_they_are() {
        let images = images([3, 6, 6], 2);
        assert_eq!(images.resized(6).unwrap(), images);
        assert_eq!(images.centred(6, |_| [0, 0]).unwrap(), images);
    }

    #[test]
    fn halving_the_size_weighs_neighbours_by_a_triangle() {
        // From four columns to two: the weights are 3, 3 for the columns under a new one and 1 for its neighbour, as in
        // PIL.
        let image = Images::new([1, 4, 4], [0, 0, 80, 160].repeat(4), vec![0]).unwrap();
        assert_eq!(image.resized(2).unwrap().pixels().unwrap(), [11, 103, 11, 103]);
    }

    #[test]
    fn channels_are_resized_each_for_itself() {
        let image = Images::new([2, 2, 2], vec![10, 10, 10, 10, 200, 200, 200, 200], vec![7]).unwrap();
        let resized = image.resized(3).unwrap();
        assert_eq!((resized.shape, &resized.labels[..]), ([2, 3, 3], &[7][..]));
        assert_eq!(resized.pixels().unwrap(), [[10; 9], [200; 9]].concat());
    }

    #[test]
    fn what_does_not_fit_is_an_error_with_the_numbers() {
        let images = images([1, 4, 6], 2);
        let small = images.centred(5, |_| [0, 0]).unwrap_err().to_string();
        assert!(small.contains("4x6") && small.contains("5x5") && small.contains("at least 6"), "{small}");
        let cut = images.centred(8, |_| [0, -2]).unwrap_err().to_string();
        assert!(cut.contains("-2 to the right") && cut.contains("8x8"), "{cut}");
        assert!(images.resized(0).unwrap_err().to_string().contains("1 to 4096"));
        assert!(images.centred(usize::MAX, |_| [0, 0]).is_err());
    }

    proptest! {
        #[test]
        fn a_placed_image_is_found_where_it_was_put_and_the_rest_is_background(
            (height, width, margin) in (1usize..6, 1usize..6, 0usize..5),
            (down, right) in (-2isize..=2, -2isize..=2),
        ) {
            let images = images([2, height, width], 3);
            let size = height.max(width) + margin;
            let centre = [(size - height) / 2, (size - width) / 2];
            let fits = |centre: usize, by: isize, side: usize| {
                centre as isize + by >= 0 && (centre as isize + by) as usize + side <= size
            };
            let placed = images.centred(size, |index| if index == 1 { [down, right] } else { [0, 0] });
            prop_assert_eq!(placed.is_ok(), fits(centre[0], down, height) && fits(centre[1], right, width));
            let Ok(placed) = placed else { return Ok(()) };
            for index in 0..3 {
                let (down, right) = if index == 1 { (down, right) } else { (0, 0) };
                for (position, &value) in placed.image(index).unwrap().iter().enumerate() {
                    let (channel, y, x) = (position / size / size, position / size % size, position % size);
                    let y = y as isize - centre[0] as isize - down;
                    let x = x as isize - centre[1] as isize - right;
                    let inside = (0..height as isize).contains(&y) && (0..width as isize).contains(&x);
                    let of_image = || images.image(index).unwrap()[(channel * height + y as usize) * width + x as usize];
                    prop_assert_eq!(value, if inside { of_image() } else { 0 });
                }
            }
        }
    }
}
