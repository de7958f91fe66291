use std::path::PathBuf;

/// The checksum of a file or folder that a data set was read from. It identifies the data in the record of an
/// experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileChecksum {
    /// The path of the file. For embedded data it is the name in this crate, for an image folder the folder of the
    /// split, for a download `hub:OWNER/NAME/SPLIT`.
    pub path: PathBuf,
    /// The SHA-256 in hexadecimal, as `sha256sum` prints it for the file (still gzipped, if it is). For an image folder
    /// it covers the relative name of each image, a zero byte, the length (8 bytes, little endian) and the content, in
    /// order of the names. For a download it covers the decoded pixels, then the labels, one byte each.
    pub sha256: String,
    /// The number of bytes of the file, of the folder's images, or of the decoded pixels and labels.
    pub bytes: u64,
}
