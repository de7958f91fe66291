use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    error::DatasetError,
    images::Images,
    object::Object,
    placed::Placed,
    scatter::{corners, scatter},
};

/// The square canvas that images are placed on before training, to vary the size and the place of what they show.
///
/// In a configuration file: `{ kind = "scattered", size = 64, clutter = 8 }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Canvas {
    /// Resizes each image to `size`×`size`; see [`Images::resized`].
    Resized {
        /// The height and width of the canvas.
        size: usize,
    },
    /// Places each image in the middle of a `size`×`size` canvas of background; see [`Images::centred`].
    Centred {
        /// The height and width of the canvas.
        size: usize,
    },
    /// Places each image at a random position of a `size`×`size` canvas, among patches of other images: a variant of
    /// the cluttered translated MNIST of Mnih et al. (2014).
    ///
    /// A patch has 8×8 pixels around a bright pixel of an image of another class. It may lie anywhere but on the
    /// object's bounding box, so the object's pixels do not change. Where patches overlap, the brighter pixel wins.
    Scattered {
        /// The height and width of the canvas.
        size: usize,
        /// The number of patches.
        clutter: usize,
    },
}

impl Canvas {
    /// Returns the height and width of the canvas.
    pub fn size(self) -> usize {
        let (Canvas::Resized { size } | Canvas::Centred { size } | Canvas::Scattered { size, .. }) = self;
        size
    }

    /// Places each of `images` on a canvas. Random positions depend only on `seed`, the index of the image and the
    /// other images, so the splits of a data set need different seeds.
    ///
    /// # Errors
    /// [`DatasetError::InvalidCanvas`] for images or clutter that do not fit the canvas, for more than 256 patches, and
    /// for clutter with images of one class only; errors of images that cannot be read.
    ///
    /// # Examples
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
        Ok(Placed { images: self.place(images, seed)?, objects: self.objects(images, seed)? })
    }

    /// Places the images as [`apply`](Self::apply) does, without finding the objects.
    pub(crate) fn place(self, images: &Images, seed: u64) -> Result<Images, DatasetError> {
        match self {
            Canvas::Resized { size } => images.resized(size),
            Canvas::Centred { size } => images.centred(size, |_| [0, 0]),
            Canvas::Scattered { size, clutter } => scatter(images, size, clutter, seed),
        }
    }

    /// Finds the objects of [`apply`](Self::apply).
    pub(crate) fn objects(self, images: &Images, seed: u64) -> Result<Option<Vec<Object>>, DatasetError> {
        let size = self.size();
        let corners = match self {
            Canvas::Resized { .. } => return Ok(None),
            Canvas::Centred { .. } => vec![images.free_space(size)?.map(|free| free / 2); images.len()],
            Canvas::Scattered { .. } => corners(images, size, seed)?,
        };
        let mut objects = Vec::with_capacity(images.len());
        images.visit(|image| objects.push(Object::locate(image, images.shape, corners[objects.len()], size)))?;
        Ok(Some(objects))
    }
}

/// Writes the canvas as records spell it: `scattered(size=64, clutter=8)`.
impl fmt::Display for Canvas {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Canvas::Resized { size } => write!(f, "resized(size={size})"),
            Canvas::Centred { size } => write!(f, "centred(size={size})"),
            Canvas::Scattered { size, clutter } => write!(f, "scattered(size={size}, clutter={clutter})"),
        }
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
