use std::path::Path;

use image::{ImageError, ImageFormat, Rgb, RgbImage, imageops};

use crate::{error::DatasetError, images::Images};

/// The number of white pixels between images and around them.
const GAP: usize = 2;

/// Draws the first `per_class` images of each of the classes `0..classes` on white, one row per class. Images of three
/// channels are drawn in colour, others in the grey of their first channel.
///
/// # Errors
/// Images that cannot be read; see [`Images::image`].
///
/// # Examples
/// ```
/// # use datasets::{Images, grid};
/// let images = Images::new([1, 4, 4], vec![0; 48], vec![1, 0, 1])?;
/// assert_eq!(grid(&images, 2, 10)?.dimensions(), (14, 14)); // two rows; two columns, as no class has more images
/// # Ok::<(), datasets::DatasetError>(())
/// ```
pub fn grid(images: &Images, classes: usize, per_class: usize) -> Result<RgbImage, DatasetError> {
    let [_, height, width] = images.shape;
    let columns = images.class_counts(classes).into_iter().max().unwrap_or(0).min(per_class);
    let extent = |cells: usize, size: usize| (GAP + cells * (size + GAP)) as u32;
    let mut grid = RgbImage::from_pixel(extent(columns, width), extent(classes, height), Rgb([255; 3]));
    let mut filled = vec![0; classes];
    for (index, &label) in images.labels.iter().enumerate() {
        let Some(column) = filled.get_mut(label as usize).filter(|column| **column < columns) else { continue };
        let (left, top) = (extent(*column, width), extent(label as usize, height));
        *column += 1;
        imageops::replace(&mut grid, &images.rgb(index)?, left.into(), top.into());
    }
    Ok(grid)
}

/// Writes the picture of [`grid`] to `path` as PNG.
///
/// # Errors
/// Those of [`grid`], and [`DatasetError::Io`] if the file cannot be written.
pub fn save_grid(images: &Images, classes: usize, per_class: usize, path: &Path) -> Result<(), DatasetError> {
    grid(images, classes, per_class)?.save_with_format(path, ImageFormat::Png).map_err(|error| {
        let source = match error {
            ImageError::IoError(source) => source,
            other => std::io::Error::other(other),
        };
        DatasetError::Io { path: path.into(), source }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_a_row_with_its_first_images_and_missing_ones_stay_white() {
        let images = Images::new([3, 1, 1], vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9], vec![1, 0, 1, 1]).unwrap();
        let grid = grid(&images, 2, 2).unwrap();
        assert_eq!(grid.dimensions(), (8, 8));
        assert_eq!(grid[(2, 2)], Rgb([4, 5, 6]));
        assert_eq!(grid[(5, 2)], Rgb([255; 3]));
        assert_eq!(grid[(2, 5)], Rgb([1, 2, 3]));
        assert_eq!(grid[(5, 5)], Rgb([7, 8, 9]));
    }

    #[test]
    fn grey_images_are_drawn_grey_and_classes_beyond_are_left_out() {
        let images = Images::new([1, 1, 2], vec![10, 20, 30, 40], vec![0, 5]).unwrap();
        let grid = grid(&images, 1, 8).unwrap();
        assert_eq!(grid.dimensions(), (6, 5));
        assert_eq!((grid[(2, 2)], grid[(3, 2)]), (Rgb([10; 3]), Rgb([20; 3])));
    }

    #[test]
    fn a_grid_that_cannot_be_written_is_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let images = Images::new([1, 1, 1], vec![10], vec![0]).unwrap();
        let path = folder.path().join("grid");
        save_grid(&images, 1, 1, &path).unwrap();
        assert!(std::fs::read(&path).unwrap().starts_with(b"\x89PNG"));
        let error = save_grid(&images, 1, 1, &path.join("below")).unwrap_err();
        assert!(error.to_string().contains("below"), "{error}");
    }
}
