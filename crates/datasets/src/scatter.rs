//! Places images at random positions of larger canvases, among clutter.

use std::borrow::Cow;

use rand_chacha::ChaCha8Rng;

use crate::{
    error::DatasetError,
    images::Images,
    object::Object,
    place::place,
    random::{below, stream},
};

/// The height and width of a patch of clutter.
const PATCH: usize = 8;
/// The largest number of patches on a canvas, so that a typo does not take hours.
const MAX_PATCHES: usize = 256;

/// Implements [`Canvas::Scattered`](crate::Canvas::Scattered).
pub(crate) fn scatter(images: &Images, size: usize, clutter: usize, seed: u64) -> Result<Images, DatasetError> {
    let free = images.free_space(size)?;
    check_clutter(images, size, clutter)?;
    Ok(images.derived([images.shape[0], size, size], move |images, index| {
        let (corner, mut rng) = draw_corner(free, seed, index);
        let image = images.image(index)?;
        let mut canvas = place(&image, images.shape, corner, size);
        if clutter > 0 {
            let object = Object::locate(&image, images.shape, corner, size);
            for _ in 0..clutter {
                let (image, from) = choose_patch(images, images.labels[index], &mut rng)?;
                let to = corner_off_box(object.bbox, size, &mut rng);
                paste_patch(&image, images.shape, from, &mut canvas, size, to);
            }
        }
        Ok(canvas)
    }))
}

/// Draws the corner (y, x) at which each image is placed by [`scatter`].
pub(crate) fn corners(images: &Images, size: usize, seed: u64) -> Result<Vec<[usize; 2]>, DatasetError> {
    let free = images.free_space(size)?;
    Ok((0..images.len()).map(|index| draw_corner(free, seed, index).0).collect())
}

/// Draws the corner of image `index`, and returns its stream, from which its clutter is drawn. Each image has its own
/// stream and draws its corner first, so that corners do not depend on the clutter.
fn draw_corner(free: [usize; 2], seed: u64, index: usize) -> ([usize; 2], ChaCha8Rng) {
    let mut rng = stream(b"scattered", seed, index as u64);
    (free.map(|free| below(free + 1, &mut rng)), rng)
}

/// Checks that there is clutter, and room for it wherever an object may lie.
fn check_clutter(images: &Images, size: usize, clutter: usize) -> Result<(), DatasetError> {
    let [_, height, width] = images.shape;
    if clutter == 0 {
        return Ok(());
    }
    if height.min(width) < PATCH {
        let reason =
            format!("clutter is cut from them in patches of {PATCH}x{PATCH}, so they must be at least as large");
        return Err(images.invalid_canvas(size, reason));
    }
    if clutter > MAX_PATCHES {
        return Err(images.invalid_canvas(size, format!("{clutter} patches of clutter are more than {MAX_PATCHES}")));
    }
    // In the direction with more free space, at least half of it lies on one side of the object.
    let least = height.max(width).max(height.min(width) + 2 * PATCH - 1);
    if size < least {
        return Err(images.invalid_canvas(size, format!("with clutter it must be at least {least}")));
    }
    if images.labels.iter().all(|label| Some(label) == images.labels.first()) {
        return Err(images
            .invalid_canvas(size, "clutter is cut from images of other classes, but there is one class only".into()));
    }
    Ok(())
}

/// Draws an image of another class, and the corner of a patch of it.
fn choose_patch<'a>(
    images: &'a Images,
    label: u32,
    rng: &mut ChaCha8Rng,
) -> Result<(Cow<'a, [u8]>, [usize; 2]), DatasetError> {
    let image = loop {
        let index = below(images.len(), rng);
        if images.labels[index] != label {
            break images.image(index)?;
        }
    };
    let [_, height, width] = images.shape;
    // An image without bright pixels gives a patch around any pixel.
    let ink = Object::locate(&image, images.shape, [0, 0], width).pixels;
    let centre = if ink.is_empty() { below(height * width, rng) } else { ink[below(ink.len(), rng)] as usize };
    let corner = |centre: usize, side: usize| centre.saturating_sub(PATCH / 2).min(side - PATCH);
    let corner = [corner(centre / width, height), corner(centre % width, width)];
    Ok((image, corner))
}

/// Draws the corner of a patch that does not overlap the bounding box. [`check_clutter`] ensures that there is one.
fn corner_off_box([y0, x0, y1, x1]: [usize; 4], size: usize, rng: &mut ChaCha8Rng) -> [usize; 2] {
    loop {
        let [y, x] = [0; 2].map(|_| below(size - PATCH + 1, rng));
        if y + PATCH <= y0 || y >= y1 || x + PATCH <= x0 || x >= x1 {
            return [y, x];
        }
    }
}

/// Pastes a patch onto the canvas. Of two pixels the brighter one wins.
fn paste_patch(image: &[u8], shape: [usize; 3], from: [usize; 2], canvas: &mut [u8], size: usize, to: [usize; 2]) {
    let [_, height, width] = shape;
    for (canvas, plane) in canvas.chunks_exact_mut(size * size).zip(image.chunks_exact(height * width)) {
        for row in 0..PATCH {
            let target = &mut canvas[(to[0] + row) * size + to[1]..][..PATCH];
            let values = &plane[(from[0] + row) * width + from[1]..][..PATCH];
            target.iter_mut().zip(values).for_each(|(target, value)| *target = *value.max(target));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canvas::Canvas;
    use proptest::prelude::*;

    /// Returns images of one filled rectangle each, which differ in place, size, class and brightness.
    fn rectangles(count: usize, side: usize) -> Images {
        let mut pixels = vec![0; count * side * side];
        for (index, image) in pixels.chunks_exact_mut(side * side).enumerate() {
            let (top, left) = (index % (side - 3), index * 5 % (side - 3));
            for y in top..(top + 2 + index % 3).min(side) {
                image[y * side + left..][..3].fill(100 + index as u8);
            }
        }
        Images::new([1, side, side], pixels, (0..count as u32).map(|index| index % 3).collect()).unwrap()
    }

    fn scattered(images: &Images, size: usize, clutter: usize, seed: u64) -> (Images, Vec<Object>) {
        let placed = Canvas::Scattered { size, clutter }.apply(images, seed).unwrap();
        (placed.images, placed.objects.unwrap())
    }

    #[test]
    fn clutter_comes_from_images_of_other_classes() {
        let images = rectangles(30, 12);
        let (canvases, objects) = scattered(&images, 40, 6, 1);
        for (index, object) in objects.iter().enumerate() {
            let [y0, x0, y1, x1] = object.bbox;
            let outside = |at: usize| !((y0..y1).contains(&(at / 40)) && (x0..x1).contains(&(at % 40)));
            let clutter: Vec<u8> =
                (0..1600).filter(|&at| outside(at)).map(|at| canvases.image(index).unwrap()[at]).collect();
            assert!(clutter.iter().filter(|&&value| value > 0).count() > 6, "image {index} has no clutter");
            // The brightness is the other image's index, and its class the index modulo 3.
            assert!(clutter.iter().all(|&value| value == 0 || (value as usize - 100) % 3 != index % 3));
        }
    }

    #[test]
    fn places_are_spread_over_the_whole_canvas() {
        let (_, objects) = scattered(&rectangles(150, 8), 24, 0, 0);
        for axis in [0, 1] {
            let mean = objects.iter().map(|object| object.bbox[axis] as f64).sum::<f64>() / 150.;
            assert!((6.5..11.5).contains(&mean), "{mean}"); // a corner at 8 ± 0.4 on average, the box up to 3 further
            assert!(objects.iter().any(|object| object.bbox[axis] < 3));
            assert!(objects.iter().any(|object| object.bbox[axis] >= 15));
        }
    }

    #[test]
    fn what_has_no_room_or_no_clutter_is_an_error_with_the_numbers() {
        let images = rectangles(6, 28);
        let error = |images: &Images, size, clutter| scatter(images, size, clutter, 0).unwrap_err().to_string();
        assert!(error(&images, 27, 0).contains("at least 28"));
        assert!(scatter(&images, 28, 0, 0).is_ok());
        assert!(error(&images, 42, 1).contains("at least 43"));
        assert!(error(&images, 64, usize::MAX).contains("more than 256"));
        assert!(scatter(&images, 43, 1, 0).is_ok());
        assert!(error(&rectangles(6, 7), 64, 1).contains("8x8"));
        assert!(error(&images.subset(&[0, 3]), 64, 1).contains("one class only"));
    }

    proptest! {
        #[test]
        fn the_object_keeps_its_pixels_and_its_box_is_free_of_clutter(
            seed: u64, count in 2usize..12, side in 8usize..16, room in 15usize..30, clutter in 0usize..8,
        ) {
            let (images, size) = (rectangles(count, side), side + room);
            let (canvases, objects) = scattered(&images, size, clutter, seed);
            let (without_clutter, same_objects) = scattered(&images, size, 0, seed);
            prop_assert_eq!(&objects, &same_objects);
            for (index, Object { bbox: [y0, x0, y1, x1], pixels }) in objects.into_iter().enumerate() {
                for at in (y0..y1).flat_map(|y| (x0..x1).map(move |x| y * size + x)) {
                    prop_assert_eq!(canvases.image(index).unwrap()[at], without_clutter.image(index).unwrap()[at]);
                    prop_assert_eq!(pixels.contains(&(at as u32)), without_clutter.image(index).unwrap()[at] > 0);
                }
                prop_assert_eq!(pixels.len(), images.image(index).unwrap().iter().filter(|&&value| value > 0).count());
            }
        }

        #[test]
        fn an_image_is_placed_by_seed_and_index_alone(seed: u64) {
            let images = rectangles(9, 10);
            prop_assert_eq!(scattered(&images, 30, 3, seed), scattered(&images, 30, 3, seed));
            prop_assert_ne!(scattered(&images, 30, 3, seed).0, scattered(&images, 30, 3, seed ^ 1).0);
            // Without clutter the other images do not matter.
            let first = images.subset(&[0, 1, 2]);
            prop_assert_eq!(&scattered(&images, 30, 0, seed).1[..3], &scattered(&first, 30, 0, seed).1[..]);
        }
    }
}
