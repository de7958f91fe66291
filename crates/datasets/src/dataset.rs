use crate::{checksum::FileChecksum, images::Images};

/// A data set: training and test images with their labels.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Dataset {
    /// The name, as [`DatasetId`](crate::DatasetId) displays it.
    pub name: String,
    /// The names of the classes. A label is an index into them.
    pub classes: Vec<String>,
    /// The training images.
    pub train: Images,
    /// The test images, which have the shape of the training images.
    pub test: Images,
    /// The files that the data set was read from.
    pub files: Vec<FileChecksum>,
    /// The number of hidden files and folders and of files that are not images, which an image folder may contain among
    /// its class folders and in them. They are skipped; see [`load`](crate::load). It is 0 for other data sets.
    pub skipped_files: usize,
}

/// The images of a data set with fixed classes, and the files they were read from.
pub struct DataFiles {
    pub train: Images,
    pub test: Images,
    pub files: Vec<FileChecksum>,
}
