//! Image folders: `train/CLASS/*` and `test/CLASS/*`.

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use image::{
    DynamicImage, ImageReader, Limits,
    imageops::{FilterType, resize},
};
use sha2::{Digest, Sha256};

use crate::{
    Dataset, DatasetError, Images, SourceFile,
    source::{LARGEST, hex},
};

/// Of the input's sides, so that a slip of the finger does not fill the memory.
const LONGEST_SIDE: usize = 4096;

/// Reads `root`, every image resized to `shape` (channels, height, width).
pub(crate) fn read(root: &Path, shape: [usize; 3]) -> Result<Dataset, DatasetError> {
    let [channels, height, width] = shape;
    let sides = 1..=LONGEST_SIDE;
    if ![1, 3].contains(&channels) || !sides.contains(&height) || !sides.contains(&width) {
        return Err(DatasetError::SenselessInput { channels, height, width, limit: LONGEST_SIDE });
    }
    let (train_folder, test_folder) = (root.join("train"), root.join("test"));
    let classes: Vec<String> = class_folders(&train_folder)?.into_iter().map(|entry| entry.name).collect();
    // Looked at before the training images are decoded, which can take long.
    class_folders(&test_folder)?;
    let (train, train_file) = read_split(&train_folder, &classes, shape)?;
    let (test, test_file) = read_split(&test_folder, &classes, shape)?;
    Ok(Dataset { name: root.display().to_string(), classes, train, test, files: vec![train_file, test_file] })
}

struct Entry {
    name: String,
    path: PathBuf,
}

/// What lies in `folder` and is not hidden, sorted by name.
fn entries(folder: &Path) -> Result<Vec<Entry>, DatasetError> {
    let failed = |source| DatasetError::Io { path: folder.into(), source };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            entries.push(Entry { name, path: entry.path() });
        }
    }
    entries.sort_by(|left, right| (&left.name, &left.path).cmp(&(&right.name, &right.path)));
    Ok(entries)
}

fn class_folders(split: &Path) -> Result<Vec<Entry>, DatasetError> {
    if !split.is_dir() {
        let expected = "an image folder has train/CLASS/* and test/CLASS/*".into();
        return Err(DatasetError::Missing { path: split.into(), expected });
    }
    let entries = entries(split)?;
    if let Some(stray) = entries.iter().find(|entry| !entry.path.is_dir()) {
        return Err(DatasetError::Unexpected { path: stray.path.clone(), expected: "a folder for each class" });
    }
    if let Some(odd) = entries.iter().find(|entry| entry.path.file_name().is_some_and(|name| name.to_str().is_none())) {
        return Err(DatasetError::NotUtf8 { path: odd.path.clone() });
    }
    if entries.is_empty() {
        return Err(DatasetError::NoImages { path: split.into() });
    }
    Ok(entries)
}

fn read_split(split: &Path, classes: &[String], shape: [usize; 3]) -> Result<(Images, SourceFile), DatasetError> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    let (mut sum, mut total) = (Sha256::new(), 0);
    for class in class_folders(split)? {
        let Some(label) = classes.iter().position(|name| *name == class.name) else {
            return Err(DatasetError::UnknownClass { path: class.path, known: classes.join(", ") });
        };
        let files = entries(&class.path)?;
        if files.is_empty() {
            return Err(DatasetError::EmptyClass { path: class.path });
        }
        for file in files {
            let failed = |source| DatasetError::Io { path: file.path.clone(), source };
            let metadata = fs::metadata(&file.path).map_err(failed)?;
            if !metadata.is_file() {
                return Err(DatasetError::Unexpected { path: file.path, expected: "an image" });
            }
            if metadata.len() > LARGEST {
                return Err(DatasetError::TooLarge { path: file.path, bytes: metadata.len(), limit: LARGEST });
            }
            let bytes = fs::read(&file.path).map_err(failed)?;
            sum.update(format!("{}/{}\0", class.name, file.name));
            sum.update((bytes.len() as u64).to_le_bytes());
            sum.update(&bytes);
            total += bytes.len() as u64;
            let image = decode(bytes).map_err(|source| DatasetError::Undecodable { path: file.path, source })?;
            append_resized(&image, shape, &mut pixels);
            labels.push(label as u32);
        }
    }
    let file = SourceFile { path: split.into(), sha256: hex(sum), bytes: total };
    Ok((Images::new(shape, pixels, labels)?, file))
}

fn decode(bytes: Vec<u8>) -> image::ImageResult<DynamicImage> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    // A header that promises more is refused before anything is allocated.
    let mut limits = Limits::default();
    limits.max_image_width = Some(1 << 15);
    limits.max_image_height = Some(1 << 15);
    limits.max_alloc = Some(256 << 20);
    reader.limits(limits);
    reader.decode()
}

/// Appends the image's values in the order (channel, row, column). The colours are converted first, so that the filter
/// never sees an alpha channel.
fn append_resized(image: &DynamicImage, [channels, height, width]: [usize; 3], pixels: &mut Vec<u8>) {
    let (height, width) = (height as u32, width as u32);
    if channels == 1 {
        pixels.extend(resize(&image.to_luma8(), width, height, FilterType::Triangle).into_raw());
    } else {
        let resized = resize(&image.to_rgb8(), width, height, FilterType::Triangle);
        for channel in 0..channels {
            pixels.extend(resized.pixels().map(|pixel| pixel[channel]));
        }
    }
}
