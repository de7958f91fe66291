use std::{io, path::PathBuf};

/// What can be wrong with a data set: every message names the file, or says what is possible. The operating system's or
/// a decoder's own words are the [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// Neither a known name nor a folder.
    #[error(
        "unknown data set `{given}`: it is one of {known}, or the path of a folder with train/CLASS/* and test/CLASS/*"
    )]
    UnknownDataset { given: String, known: String },

    /// A data set that is not embedded, and no folder to read it from.
    #[error("{dataset} is not at hand: {advice}")]
    NotAtHand { dataset: String, advice: String },

    /// A file or folder that the data set needs does not exist.
    #[error("{} is missing ({expected})", path.display())]
    Missing { path: PathBuf, expected: String },

    /// The operating system would not read or write it.
    #[error("{}: can't be read or written", path.display())]
    Io { path: PathBuf, source: io::Error },

    #[error("{}: the gzip stream ends early; the file is truncated, fetch it again", path.display())]
    TruncatedGzip { path: PathBuf },

    #[error("{}: the gzip stream is damaged; fetch the file again", path.display())]
    DamagedGzip { path: PathBuf, source: io::Error },

    /// The first four bytes are not those of this kind of IDX file.
    #[error("{}: magic number {found:#010x}, expected {expected:#010x} ({kind})", path.display())]
    WrongMagic { path: PathBuf, found: u32, expected: u32, kind: &'static str },

    #[error("{}: ends after {held} bytes (unpacked), within its header of {header}", path.display())]
    TruncatedHeader { path: PathBuf, header: u64, held: u64 },

    /// The file holds fewer or more bytes than its header promises. Both numbers count the header.
    #[error("{}: should be {promised} bytes (unpacked), is {}{held}", path.display(), if held > promised { "at least " } else { "" })]
    WrongSize { path: PathBuf, promised: u64, held: u64 },

    /// More than any of these data sets holds: refused before anything is allocated.
    #[error("{}: {bytes} bytes are more than the {limit} a data file may hold", path.display())]
    TooLarge { path: PathBuf, bytes: u64, limit: u64 },

    /// A CIFAR file that does not consist of whole records.
    #[error("{}: {bytes} bytes are not 1 to 10000 records of {record} bytes (a label and an image); is the file whole, and the binary version?", path.display())]
    NotWholeRecords { path: PathBuf, bytes: u64, record: usize },

    #[error("{}: label {label} of image {index} is out of range, there are {classes} classes (0 to {})", path.display(), classes - 1)]
    LabelOutOfRange { path: PathBuf, index: usize, label: u32, classes: usize },

    #[error("{} holds {images} images, but {} {labels} labels", images_path.display(), labels_path.display())]
    CountMismatch { images_path: PathBuf, images: usize, labels_path: PathBuf, labels: usize },

    #[error("{}: images of {height}x{width} pixels, expected {expected}", path.display())]
    WrongImageSize { path: PathBuf, height: usize, width: usize, expected: String },

    #[error("{}: no images at all", path.display())]
    NoImages { path: PathBuf },

    #[error("{}: the class folder holds no images", path.display())]
    EmptyClass { path: PathBuf },

    /// A class folder of `test/` that `train/` lacks: nothing could have learnt it.
    #[error("{}: no such class in train/, which has {known}", path.display())]
    UnknownClass { path: PathBuf, known: String },

    /// Two such names could look the same, and be taken for one class.
    #[error("{}: the name of a class folder must be UTF-8", path.display())]
    NotUtf8 { path: PathBuf },

    /// A file beside the class folders, or something else than a file among the images.
    #[error("{}: expected {expected} here (only hidden files are passed over)", path.display())]
    Unexpected { path: PathBuf, expected: &'static str },

    #[error("{}: not a readable PNG or JPEG image", path.display())]
    Undecodable { path: PathBuf, source: image::ImageError },

    #[error(
        "images cannot be resized to {channels}x{height}x{width}: channels are 1 or 3, height and width 1 to {limit}"
    )]
    SenselessInput { channels: usize, height: usize, width: usize, limit: usize },

    /// A canvas too small for what goes on it, or too large for anybody's memory.
    #[error("images of {height}x{width} do not go on a canvas of {canvas}x{canvas}: {reason}")]
    SenselessCanvas { canvas: usize, height: usize, width: usize, reason: String },

    #[error("{shape:?} images and {labels} labels do not fit {pixels} pixels")]
    Inconsistent { shape: [usize; 3], labels: usize, pixels: usize },

    #[error("{requested} images cannot be {purpose} out of {available}: possible are {least} to {most}")]
    SenselessSize { purpose: &'static str, requested: usize, available: usize, least: usize, most: usize },

    /// The download failed, or what came was not what the data set should be.
    #[error("{dataset} could not be had from the Hugging Face hub: {reason}")]
    Hub { dataset: String, reason: String },
}
