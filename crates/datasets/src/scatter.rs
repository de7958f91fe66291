use rand_chacha::ChaCha8Rng;

use crate::{
    DatasetError, Images, Placed,
    order::{below, stream},
};

/// The side of a piece of clutter.
const PIECE: usize = 8;
/// Of an image, so that a slip of the finger does not take hours.
const MOST_PIECES: usize = 256;

/// See [`Canvas::Scattered`](crate::Canvas::Scattered).
pub(crate) fn scatter(images: &Images, size: usize, clutter: usize, seed: u64) -> Result<Placed, DatasetError> {
    let free = images.free_space(size)?;
    check(images, size, clutter)?;
    // For each image its own stream, which first gives its corner: this does not change with the clutter.
    let mut streams: Vec<ChaCha8Rng> = (0..images.len()).map(|i| stream(b"scattered", seed, i as u64)).collect();
    let corners: Vec<_> = streams.iter_mut().map(|rng| free.map(|free| draw(free + 1, rng))).collect();
    let mut placed = Placed::at(images, size, &corners)?;
    let canvas_size = placed.images.image_size();
    let canvases = placed.images.pixels.chunks_exact_mut(canvas_size).zip(placed.objects.iter().flatten());
    for ((index, (canvas, object)), rng) in canvases.enumerate().zip(&mut streams) {
        for _ in 0..clutter {
            let (piece, from) = piece(images, images.labels[index], rng);
            let to = beside(object.bbox, size, rng);
            lay(piece, images.shape, from, canvas, size, to);
        }
    }
    Ok(placed)
}

/// Whether there is clutter to be had, and room for it whatever the object and wherever it is.
fn check(images: &Images, size: usize, clutter: usize) -> Result<(), DatasetError> {
    let [_, height, width] = images.shape;
    if clutter == 0 {
        return Ok(());
    }
    if height.min(width) < PIECE {
        let reason = format!("clutter is cut from them in pieces of {PIECE}x{PIECE}");
        return Err(images.senseless(size, reason));
    }
    if clutter > MOST_PIECES {
        return Err(images.senseless(size, format!("{clutter} pieces of clutter are more than {MOST_PIECES}")));
    }
    // The side on which more is free has at least half.
    let least = height.max(width).max(height.min(width) + 2 * PIECE - 1);
    if size < least {
        return Err(images.senseless(size, format!("for clutter beside them it must be at least {least}")));
    }
    if images.labels.iter().all(|label| Some(label) == images.labels.first()) {
        return Err(images.senseless(size, "clutter is cut from images of other classes, and there is one only".into()));
    }
    Ok(())
}

/// An image of another class, and the corner of a piece of it.
fn piece<'a>(images: &'a Images, label: u32, rng: &mut ChaCha8Rng) -> (&'a [u8], [usize; 2]) {
    let image = loop {
        let index = draw(images.len(), rng);
        if images.labels[index] != label {
            break images.image(index);
        }
    };
    let [_, height, width] = images.shape;
    // Of an image without ink any pixel is as good as another.
    let ink = crate::Object::of(image, images.shape, [0, 0], width).pixels;
    let centre = if ink.is_empty() { draw(height * width, rng) } else { ink[draw(ink.len(), rng)] as usize };
    let corner = |centre: usize, side: usize| centre.saturating_sub(PIECE / 2).min(side - PIECE);
    (image, [corner(centre / width, height), corner(centre % width, width)])
}

/// A corner for a piece that does not touch the box. [`check`] has seen to it that there is one.
fn beside([y0, x0, y1, x1]: [usize; 4], size: usize, rng: &mut ChaCha8Rng) -> [usize; 2] {
    loop {
        let [y, x] = [0; 2].map(|_| draw(size - PIECE + 1, rng));
        if y + PIECE <= y0 || y >= y1 || x + PIECE <= x0 || x >= x1 {
            return [y, x];
        }
    }
}

/// Lays a piece on the canvas; the brighter pixel wins.
fn lay(image: &[u8], shape: [usize; 3], from: [usize; 2], canvas: &mut [u8], size: usize, to: [usize; 2]) {
    let [_, height, width] = shape;
    for (canvas, plane) in canvas.chunks_exact_mut(size * size).zip(image.chunks_exact(height * width)) {
        for row in 0..PIECE {
            let target = &mut canvas[(to[0] + row) * size + to[1]..][..PIECE];
            let values = &plane[(from[0] + row) * width + from[1]..][..PIECE];
            target.iter_mut().zip(values).for_each(|(target, value)| *target = *value.max(target));
        }
    }
}

fn draw(bound: usize, rng: &mut ChaCha8Rng) -> usize {
    below(bound as u64, rng) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Canvas, Object};
    use proptest::prelude::*;

    /// Images of a filled rectangle each, of their own place, size, class and brightness.
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
            let clutter: Vec<u8> = (0..1600).filter(|&at| outside(at)).map(|at| canvases.image(index)[at]).collect();
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
        let error = |images: &Images, size, clutter| {
            Canvas::Scattered { size, clutter }.apply(images, 0).unwrap_err().to_string()
        };
        assert!(error(&images, 27, 0).contains("at least 28"));
        assert!(Canvas::Scattered { size: 28, clutter: 0 }.apply(&images, 0).is_ok());
        assert!(error(&images, 42, 1).contains("at least 43"));
        assert!(error(&images, 64, usize::MAX).contains("more than 256"));
        assert!(Canvas::Scattered { size: 43, clutter: 1 }.apply(&images, 0).is_ok());
        assert!(error(&rectangles(6, 7), 64, 1).contains("8x8"));
        assert!(error(&images.subset(&[0, 3]), 64, 1).contains("one only"));
    }

    proptest! {
        #[test]
        fn the_object_keeps_its_pixels_and_its_box_is_free_of_clutter(
            seed: u64, count in 2usize..12, side in 8usize..16, room in 15usize..30, clutter in 0usize..8,
        ) {
            let (images, size) = (rectangles(count, side), side + room);
            let (canvases, objects) = scattered(&images, size, clutter, seed);
            let (plain, same_objects) = scattered(&images, size, 0, seed);
            prop_assert_eq!(&objects, &same_objects);
            for (index, Object { bbox: [y0, x0, y1, x1], pixels }) in objects.into_iter().enumerate() {
                for at in (y0..y1).flat_map(|y| (x0..x1).map(move |x| y * size + x)) {
                    prop_assert_eq!(canvases.image(index)[at], plain.image(index)[at]);
                    prop_assert_eq!(pixels.contains(&(at as u32)), plain.image(index)[at] > 0);
                }
                prop_assert_eq!(pixels.len(), images.image(index).iter().filter(|&&value| value > 0).count());
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
