use crate::{error::DatasetError, images::Images, object::Object};

/// Images on canvases, with the positions of their objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The canvases.
    pub images: Images,
    /// The object on each canvas; `None` if the images were resized.
    pub objects: Option<Vec<Object>>,
}

impl Placed {
    /// Places each image on a `size`×`size` canvas, with its first pixel at its corner (y, x).
    pub(crate) fn at(images: &Images, size: usize, corners: &[[usize; 2]]) -> Result<Self, DatasetError> {
        let locate =
            |(index, corner): (usize, &[usize; 2])| Object::locate(images.image(index), images.shape, *corner, size);
        let objects = corners.iter().enumerate().map(locate).collect();
        Ok(Self { images: images.place_at(size, corners)?, objects: Some(objects) })
    }
}
