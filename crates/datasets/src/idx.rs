//! Reads the IDX format of the MNIST family: a big-endian header (magic number, number of items, sizes), then the
//! bytes.

use std::path::Path;

use crate::{
    dataset::DataFiles,
    error::DatasetError,
    images::Images,
    raw_file::{MAX_FILE_BYTES, RawFile, Reader},
};

/// The magic number of each kind of file, and its meaning.
const LABELS: (u32, &str) = (0x0801, "IDX, bytes, one axis: labels");
const IMAGES: (u32, &str) = (0x0803, "IDX, bytes, three axes: images");

/// Reads the training and test split from `folder`. The files have the official names, or those with a dot before
/// `idx`.
pub fn read_folder(folder: &Path, classes: usize) -> Result<DataFiles, DatasetError> {
    let find = |split: &str, kind: &str, axes: u8| {
        let dashed = format!("{split}-{kind}-idx{axes}-ubyte");
        let dotted = format!("{split}-{kind}.idx{axes}-ubyte");
        RawFile::find(folder, &[&dashed, &dotted])
    };
    read_splits(
        [find("train", "images", 3)?, find("train", "labels", 1)?],
        [find("t10k", "images", 3)?, find("t10k", "labels", 1)?],
        classes,
    )
}

/// Reads the embedded sample; see `mnist-mini/README.md`.
pub fn read_embedded() -> Result<DataFiles, DatasetError> {
    macro_rules! embedded {
        ($name:literal) => {
            RawFile::embedded($name, include_bytes!(concat!("../", $name)))
        };
    }
    read_splits(
        [embedded!("mnist-mini/train-images-idx3-ubyte.gz"), embedded!("mnist-mini/train-labels-idx1-ubyte.gz")],
        [embedded!("mnist-mini/t10k-images-idx3-ubyte.gz"), embedded!("mnist-mini/t10k-labels-idx1-ubyte.gz")],
        10,
    )
}

/// Reads both splits from their files of images and labels.
fn read_splits(train_files: [RawFile; 2], test_files: [RawFile; 2], classes: usize) -> Result<DataFiles, DatasetError> {
    let train = read_split(&train_files, classes)?;
    let test = read_split(&test_files, classes)?;
    if train.shape != test.shape {
        return Err(DatasetError::WrongImageSize {
            path: test_files[0].path.clone(),
            height: test.shape[1],
            width: test.shape[2],
            expected: format!("the training images' {}x{}", train.shape[1], train.shape[2]),
        });
    }
    let files = train_files.iter().chain(&test_files).map(RawFile::checksum).collect();
    Ok(DataFiles { train, test, files })
}

pub(crate) fn read_split([images, labels]: &[RawFile; 2], classes: usize) -> Result<Images, DatasetError> {
    let label_bytes = read_labels(labels)?;
    if let Some(index) = label_bytes.iter().position(|&label| usize::from(label) >= classes) {
        let label = label_bytes[index].into();
        return Err(DatasetError::LabelOutOfRange { path: labels.path.clone(), index, label, classes });
    }

    let mut reader = images.reader();
    let [count, height, width] = read_header(images, &mut reader, IMAGES)?;
    // Checked before the pixels are read, since the number of labels confirms that of the header.
    if count != label_bytes.len() {
        return Err(DatasetError::CountMismatch {
            images_path: images.path.clone(),
            images: count,
            labels_path: labels.path.clone(),
            labels: label_bytes.len(),
        });
    }
    if count == 0 {
        return Err(DatasetError::NoImages { path: images.path.clone() });
    }
    if height == 0 || width == 0 {
        let expected = "at least 1x1".into();
        return Err(DatasetError::WrongImageSize { path: images.path.clone(), height, width, expected });
    }
    let pixels = read_body(images, &mut reader, [count, height, width])?;
    Images::new([1, height, width], pixels, label_bytes.into_iter().map(u32::from).collect())
}

fn read_labels(file: &RawFile) -> Result<Vec<u8>, DatasetError> {
    let mut reader = file.reader();
    let [count] = read_header(file, &mut reader, LABELS)?;
    read_body(file, &mut reader, [count])
}

/// Returns the size of a header in bytes: the magic number and a word for each of the `N` axes.
const fn header_size<const N: usize>() -> u64 {
    4 + 4 * N as u64
}

/// Reads a header: checks the magic number and returns the size of each of the `N` axes.
fn read_header<const N: usize>(
    file: &RawFile,
    reader: &mut Reader,
    (expected, kind): (u32, &'static str),
) -> Result<[usize; N], DatasetError> {
    let header = header_size::<N>();
    let bytes = reader.read_up_to(header)?;
    let word = |index: usize| Some(u32::from_be_bytes(*bytes.get(4 * index..)?.first_chunk()?));
    if let Some(found) = word(0).filter(|&found| found != expected) {
        return Err(DatasetError::WrongMagic { path: file.path.clone(), found, expected, kind });
    }
    let mut sizes = [0; N];
    for (index, size) in sizes.iter_mut().enumerate() {
        let Some(value) = word(index + 1) else {
            let (path, held) = (file.path.clone(), bytes.len() as u64);
            return Err(DatasetError::TruncatedHeader { path, header, held });
        };
        *size = value as usize;
    }
    Ok(sizes)
}

/// Reads the bytes after the header, whose number must be exactly the product of the sizes.
fn read_body<const N: usize>(file: &RawFile, reader: &mut Reader, sizes: [usize; N]) -> Result<Vec<u8>, DatasetError> {
    // The product of three 32-bit sizes can exceed 64 bits. It is too large anyway, so it may saturate.
    let promised = sizes.iter().fold(1u64, |product, &size| product.saturating_mul(size as u64));
    if promised > MAX_FILE_BYTES {
        return Err(DatasetError::TooLarge { path: file.path.clone(), bytes: promised, limit: MAX_FILE_BYTES });
    }
    // One more byte shows whether the file is longer than promised, and lets gzip check its checksum at the end.
    let bytes = reader.read_up_to(promised + 1)?;
    if bytes.len() as u64 != promised {
        let [promised, held] = [promised, bytes.len() as u64].map(|body| header_size::<N>() + body);
        return Err(DatasetError::WrongSize { path: file.path.clone(), promised, held });
    }
    Ok(bytes)
}
