use serde::{Deserialize, Serialize};

use crate::{DatasetError, Images, Object, scatter::scatter};

/// What images are made into before anything sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Canvas {
    /// Each resized to `size`×`size`; see [`Images::resized`].
    Resized { size: usize },
    /// Each as it is, in the middle of a `size`×`size` canvas of background; see [`Images::centred`].
    Centred { size: usize },
    /// Each as it is, at a random place of a `size`×`size` canvas, wholly on it, among `clutter` pieces of other images: a
    /// form of the cluttered translated MNIST of Mnih et al. (2014).
    ///
    /// A piece is a square of 8×8 pixels around a pixel of ink of an image of another class. It lies anywhere but on the
    /// object's box, so the object's pixels stay what they were; pieces may lie on each other, the brighter pixel wins.
    Scattered { size: usize, clutter: usize },
}

/// Images on their canvases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    pub images: Images,
    /// Where each image's object is on its canvas; none where images are resized.
    pub objects: Option<Vec<Object>>,
}

impl Canvas {
    /// The canvas' height and width.
    pub fn size(self) -> usize {
        let (Canvas::Resized { size } | Canvas::Centred { size } | Canvas::Scattered { size, .. }) = self;
        size
    }

    /// Sets `images` on canvases. What is random depends on `seed`, the image's index and the other images alone: give
    /// each split a seed of its own.
    ///
    /// # Errors
    /// [`DatasetError::SenselessCanvas`] where an image, or clutter beside it, does not fit, where more than 256 pieces are
    /// asked for, and where clutter is asked for and all images are of one class.
    ///
    /// ```
    /// # use datasets::{Canvas, DatasetId, LoadOptions, load};
    /// let test = load(&DatasetId::MnistMini, &LoadOptions::default())?.test;
    /// let placed = Canvas::Scattered { size: 64, clutter: 8 }.apply(&test, 0)?;
    /// assert_eq!(placed.images.shape, [1, 64, 64]);
    /// let [y0, x0, y1, x1] = placed.objects.expect("a box per image")[0].bbox;
    /// assert!(y0 < y1 && y1 <= 64 && x0 < x1 && x1 <= 64);
    /// # Ok::<(), datasets::DatasetError>(())
    /// ```
    pub fn apply(self, images: &Images, seed: u64) -> Result<Placed, DatasetError> {
        match self {
            Canvas::Resized { size } => Ok(Placed { images: images.resized(size)?, objects: None }),
            Canvas::Centred { size } => {
                let centre = images.free_space(size)?.map(|free| free / 2);
                Placed::at(images, size, &vec![centre; images.len()])
            }
            Canvas::Scattered { size, clutter } => scatter(images, size, clutter, seed),
        }
    }
}

impl Placed {
    /// Each image with its first pixel at its corner (y, x).
    pub(crate) fn at(images: &Images, size: usize, corners: &[[usize; 2]]) -> Result<Self, DatasetError> {
        let object =
            |(index, corner): (usize, &[usize; 2])| Object::of(images.image(index), images.shape, *corner, size);
        let objects = corners.iter().enumerate().map(object).collect();
        Ok(Self { images: images.at(size, corners)?, objects: Some(objects) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canvas_reads_as_a_table_with_its_kind() {
        for (canvas, json) in [
            (Canvas::Resized { size: 32 }, r#"{"kind":"resized","size":32}"#),
            (Canvas::Centred { size: 52 }, r#"{"kind":"centred","size":52}"#),
            (Canvas::Scattered { size: 64, clutter: 8 }, r#"{"kind":"scattered","size":64,"clutter":8}"#),
        ] {
            assert_eq!(serde_json::to_string(&canvas).unwrap(), json);
            assert_eq!(serde_json::from_str::<Canvas>(json).unwrap(), canvas);
        }
        let unknown = serde_json::from_str::<Canvas>(r#"{"kind":"centred","size":52,"clutter":8}"#).unwrap_err();
        assert!(unknown.to_string().contains("clutter"), "{unknown}");
        assert!(
            serde_json::from_str::<Canvas>(r#"{"kind":"tilted","size":52}"#)
                .unwrap_err()
                .to_string()
                .contains("centred")
        );
    }

    #[test]
    fn a_centred_image_has_its_object_in_the_middle_and_a_resized_one_has_none() {
        let images = Images::new([1, 2, 2], vec![0, 255, 255, 0], vec![3]).unwrap();
        let Placed { images: centred, objects } = Canvas::Centred { size: 4 }.apply(&images, 0).unwrap();
        assert_eq!(centred, images.centred(4, |_| [0, 0]).unwrap());
        assert_eq!(objects, Some(vec![Object { bbox: [1, 1, 3, 3], pixels: vec![6, 9] }]));
        assert_eq!(Canvas::Resized { size: 4 }.apply(&images, 0).unwrap().objects, None);
    }
}
