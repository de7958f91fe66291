use crate::{images::Images, object::Object};

/// Images on canvases, with the positions of their objects.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// The canvases.
    pub images: Images,
    /// The object on each canvas; `None` if the images were resized.
    pub objects: Option<Vec<Object>>,
}
