use std::{io, path::PathBuf};

use crate::{
    pairs::PairProblem,
    printable::{printable, shown},
};

/// An error in a data set or in a request to it. Each message names the file, or says what is possible. The words of
/// the operating system or of a decoder are the [`source`](std::error::Error::source).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// A text that is neither the name of a data set nor the path of a folder.
    #[error(
        "unknown data set `{given}`; possible are {known}, or the path of a folder with train/CLASS/* and test/CLASS/*"
    )]
    UnknownDataset {
        /// The text.
        given: String,
        /// The names of the data sets, separated by commas.
        known: String,
    },

    /// A data set whose files are neither embedded nor found.
    #[error("the files of {dataset} are unavailable: {advice}")]
    Unavailable {
        /// The name of the data set.
        dataset: String,
        /// The ways to make the files available to this crate.
        advice: String,
    },

    /// A file or folder that does not exist.
    #[error("{} is missing ({expected})", shown(path))]
    Missing {
        /// The file or folder.
        path: PathBuf,
        /// The file that the data set needs.
        expected: String,
    },

    /// A file or folder that the operating system does not read or write.
    #[error("{}: can't be read or written", shown(path))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },

    /// A gzip stream that ends early.
    #[error("{}: the gzip stream ends early; the file is truncated, fetch it again", shown(path))]
    TruncatedGzip {
        /// The file.
        path: PathBuf,
    },

    /// A gzip stream that cannot be unpacked.
    #[error("{}: the gzip stream is damaged; fetch the file again", shown(path))]
    DamagedGzip {
        /// The file.
        path: PathBuf,
        /// The error of the decoder.
        source: io::Error,
    },

    /// A file whose first four bytes are not those of the expected kind of IDX file.
    #[error("{}: magic number {found:#010x}, expected {expected:#010x} ({kind})", shown(path))]
    WrongMagic {
        /// The file.
        path: PathBuf,
        /// The magic number of the file.
        found: u32,
        /// The magic number of the expected kind.
        expected: u32,
        /// The expected kind.
        kind: &'static str,
    },

    /// A file that ends within its header.
    #[error("{}: ends after {held} bytes (unpacked), within its header of {header}", shown(path))]
    TruncatedHeader {
        /// The file.
        path: PathBuf,
        /// The size of the header.
        header: u64,
        /// The unpacked size of the file.
        held: u64,
    },

    /// A file with fewer or more bytes than its header promises.
    #[error("{}: should be {promised} bytes (unpacked), is {}{held}", shown(path), if held > promised { "at least " } else { "" })]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// The unpacked size according to the header, which is included.
        promised: u64,
        /// The unpacked size, as far as the file was read.
        held: u64,
    },

    /// A file larger than any of a known data set. It is refused before memory is allocated.
    #[error("{}: {bytes} bytes are more than the {limit} a data file may hold", shown(path))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The size of the file, or that in its header.
        bytes: u64,
        /// The largest size.
        limit: u64,
    },

    /// A CIFAR file that does not consist of whole records.
    #[error(
        "{}: {bytes} bytes are not 1 to 10000 records of {record} bytes (a label and an image); is the file whole, and the binary version?",
        shown(path)
    )]
    NotWholeRecords {
        /// The file.
        path: PathBuf,
        /// The unpacked size, as far as the file was read.
        bytes: u64,
        /// The size of a record.
        record: usize,
    },

    /// A label beyond the classes of the data set.
    #[error("{}: label {label} of image {index} is out of range, there are {classes} classes (0 to {})", shown(path), classes - 1)]
    LabelOutOfRange {
        /// The file.
        path: PathBuf,
        /// The index of the image.
        index: usize,
        /// Its label.
        label: u32,
        /// The number of classes.
        classes: usize,
    },

    /// A file of images and one of labels whose lengths differ.
    #[error("{} contains {images} images, but {} contains {labels} labels", shown(images_path), shown(labels_path))]
    CountMismatch {
        /// The file of images.
        images_path: PathBuf,
        /// The number of images.
        images: usize,
        /// The file of labels.
        labels_path: PathBuf,
        /// The number of labels.
        labels: usize,
    },

    /// Images without pixels, or test images of another size than the training images.
    #[error("{}: images of {height}x{width} pixels, expected {expected}", shown(path))]
    WrongImageSize {
        /// The file.
        path: PathBuf,
        /// The height in the file.
        height: usize,
        /// The width in the file.
        width: usize,
        /// The expected size.
        expected: String,
    },

    /// A file or split without images.
    #[error("{}: no images at all", shown(path))]
    NoImages {
        /// The file, or the folder of the split.
        path: PathBuf,
    },

    /// A class folder without images.
    #[error("{}: the class folder holds no images (files whose names end in .png, .jpg or .jpeg)", shown(path))]
    EmptyClass {
        /// The class folder.
        path: PathBuf,
    },

    /// A class of `test/` that `train/` lacks, so that no model could learn it.
    #[error("{}: no such class in train/, which has {}", shown(path), printable(known))]
    UnknownClass {
        /// The class folder.
        path: PathBuf,
        /// The classes of `train/`, separated by commas.
        known: String,
    },

    /// A class folder whose name is not UTF-8. Two such names could look the same.
    #[error("{}: the name of a class folder must be UTF-8", shown(path))]
    NotUtf8 {
        /// The class folder.
        path: PathBuf,
    },

    /// An image or special file among the class folders, or a folder or special file among the images.
    #[error("{}: expected {expected}", shown(path))]
    Unexpected {
        /// The file or folder.
        path: PathBuf,
        /// The kind of file that may be at its place.
        expected: &'static str,
    },

    /// A file with the extension of an image that is not a readable PNG, JPEG, BMP or WebP image.
    #[error("{}: not a readable PNG, JPEG, BMP or WebP image", shown(path))]
    Undecodable {
        /// The file.
        path: PathBuf,
        /// The error of the decoder.
        source: image::ImageError,
    },

    /// A shift of training images that is longer than any image.
    #[error("a shift of {shift} pixels is impossible; it must be at most {limit}")]
    InvalidShift {
        /// The shift.
        shift: usize,
        /// The largest possible shift.
        limit: usize,
    },

    /// An image file that is not the one that was there when the data set was loaded.
    #[error("{}: the file has changed since the data set was loaded; start again", shown(path))]
    Changed {
        /// The file.
        path: PathBuf,
    },

    /// A shape that the images of a folder cannot be resized to.
    #[error(
        "images cannot be resized to {channels}x{height}x{width}: channels are 1 or 3, height and width 1 to {limit}"
    )]
    InvalidInput {
        /// The number of channels.
        channels: usize,
        /// The height.
        height: usize,
        /// The width.
        width: usize,
        /// The largest height and width.
        limit: usize,
    },

    /// A canvas that is too small for its images or clutter, or too large for the memory.
    #[error("images of {height}x{width} do not fit a canvas of {canvas}x{canvas}: {reason}")]
    InvalidCanvas {
        /// The height and width of the canvas.
        canvas: usize,
        /// The height of the images.
        height: usize,
        /// The width of the images.
        width: usize,
        /// The problem, and what is possible.
        reason: String,
    },

    /// Pixels that are not as many images as there are labels.
    #[error("{pixels} pixels are not {labels} images of {shape:?}, one for each label")]
    Inconsistent {
        /// The shape of an image: channels, height, width.
        shape: [usize; 3],
        /// The number of labels.
        labels: usize,
        /// The number of pixel values.
        pixels: usize,
    },

    /// A number of images that a split or subset cannot have.
    #[error("{requested} images cannot be {purpose} out of {available}: possible are {least} to {most}")]
    InvalidCount {
        /// The purpose: "held out" or "taken".
        purpose: &'static str,
        /// The requested number.
        requested: usize,
        /// The number of images.
        available: usize,
        /// The smallest possible number.
        least: usize,
        /// The largest possible number.
        most: usize,
    },

    /// A file of proteins, drugs or their interactions that is not CSV in UTF-8, or has rows of different lengths.
    #[error("{}, line {line}: not readable as CSV in UTF-8 with rows of equal length", shown(path))]
    Csv {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The error of the reader.
        source: csv::Error,
    },

    /// A row of such a file that has a mistake.
    #[error("{}, line {line}: {problem}", shown(path))]
    Pair {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The mistake, and what is possible.
        problem: PairProblem,
    },

    /// Synthetic pairs with impossible settings.
    #[error("synthetic pairs cannot be made with {0}")]
    InvalidPlanted(String),

    /// A download that failed or that does not hold the expected data.
    #[error("{dataset} could not be downloaded from the Hugging Face hub: {reason}")]
    Hub {
        /// The name of the data set.
        dataset: String,
        /// The problem.
        reason: String,
    },
}
