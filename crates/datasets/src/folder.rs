//! Reads image folders: `train/CLASS/*` and `test/CLASS/*`.

use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
};

use image::{
    DynamicImage, ImageFormat, ImageReader, Limits,
    imageops::{FilterType, resize},
};
use sha2::{Digest, Sha256};

use crate::{
    checksum::FileChecksum,
    dataset::Dataset,
    error::DatasetError,
    images::{Images, MAX_SIDE},
    raw_file::MAX_FILE_BYTES,
};

/// Reads `root` and resizes every image to `shape` (channels, height, width).
pub fn read(root: &Path, shape: [usize; 3]) -> Result<Dataset, DatasetError> {
    let [channels, height, width] = shape;
    let sides = 1..=MAX_SIDE;
    if ![1, 3].contains(&channels) || !sides.contains(&height) || !sides.contains(&width) {
        return Err(DatasetError::InvalidInput { channels, height, width, limit: MAX_SIDE });
    }
    let (train_folder, test_folder) = (root.join("train"), root.join("test"));
    // Both are listed before any image is decoded, which can take long.
    let (train_classes, test_classes) = (class_folders(&train_folder)?, class_folders(&test_folder)?);
    let classes: Vec<String> = train_classes.entries.iter().map(|class| class.name.clone()).collect();
    let train = read_split(&train_folder, train_classes, &classes, shape)?;
    let test = read_split(&test_folder, test_classes, &classes, shape)?;
    Ok(Dataset {
        name: root.display().to_string(),
        classes,
        train: train.images,
        test: test.images,
        files: vec![train.checksum, test.checksum],
        skipped_files: train.skipped_files + test.skipped_files,
    })
}

/// A file or folder in a folder.
struct Entry {
    name: String,
    path: PathBuf,
}

impl Entry {
    fn is_hidden(&self) -> bool {
        self.name.starts_with('.')
    }

    /// Returns whether the name has the extension of any image format, including those that are not supported: an image
    /// of such a format must be an error rather than silently missing.
    fn is_image(&self) -> bool {
        ImageFormat::from_path(&self.path).is_ok()
    }
}

/// Returns the content of `folder`, sorted by name.
fn entries(folder: &Path) -> Result<Vec<Entry>, DatasetError> {
    let failed = |source| DatasetError::Io { path: folder.into(), source };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        entries.push(Entry { name: entry.file_name().to_string_lossy().into_owned(), path: entry.path() });
    }
    entries.sort_by(|left, right| (&left.name, &left.path).cmp(&(&right.name, &right.path)));
    Ok(entries)
}

/// The class folders of a split, sorted by name.
struct ClassFolders {
    entries: Vec<Entry>,
    /// The number of entries among them that were skipped.
    skipped_files: usize,
}

/// Lists the class folders of `train/` or `test/`.
fn class_folders(split: &Path) -> Result<ClassFolders, DatasetError> {
    if !split.is_dir() {
        let expected = "an image folder has train/CLASS/* and test/CLASS/*".into();
        return Err(DatasetError::Missing { path: split.into(), expected });
    }
    let (skipped, entries): (Vec<_>, Vec<_>) =
        entries(split)?.into_iter().partition(|entry| entry.is_hidden() || entry.path.is_file() && !entry.is_image());
    if let Some(stray) = entries.iter().find(|entry| !entry.path.is_dir()) {
        let expected = "a folder for each class here, which contains the images of the class";
        return Err(DatasetError::Unexpected { path: stray.path.clone(), expected });
    }
    if let Some(odd) = entries.iter().find(|entry| entry.path.file_name().is_some_and(|name| name.to_str().is_none())) {
        return Err(DatasetError::NotUtf8 { path: odd.path.clone() });
    }
    if entries.is_empty() {
        return Err(DatasetError::NoImages { path: split.into() });
    }
    Ok(ClassFolders { entries, skipped_files: skipped.len() })
}

/// The images of `train/` or `test/`.
struct Split {
    images: Images,
    checksum: FileChecksum,
    skipped_files: usize,
}

/// Reads the images in the class folders of a split. `classes` are the names of all classes.
fn read_split(
    split: &Path,
    folders: ClassFolders,
    classes: &[String],
    shape: [usize; 3],
) -> Result<Split, DatasetError> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    let (mut hash, mut total, mut skipped_files) = (Sha256::new(), 0, folders.skipped_files);
    for class in folders.entries {
        let Some(label) = classes.iter().position(|name| *name == class.name) else {
            return Err(DatasetError::UnknownClass { path: class.path, known: classes.join(", ") });
        };
        let images_before = labels.len();
        for file in entries(&class.path)? {
            if file.is_hidden() || !file.path.is_dir() && !file.is_image() {
                skipped_files += 1;
                continue;
            }
            let bytes = read_file(&file.path)?;
            hash.update(format!("{}/{}\0", class.name, file.name));
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(&bytes);
            total += bytes.len() as u64;
            let image = decode(bytes).map_err(|source| DatasetError::Undecodable { path: file.path, source })?;
            append_resized(&image, shape, &mut pixels);
            labels.push(label as u32);
        }
        if labels.len() == images_before {
            return Err(DatasetError::EmptyClass { path: class.path });
        }
    }
    let checksum = FileChecksum { path: split.into(), sha256: hex::encode(hash.finalize()), bytes: total };
    Ok(Split { images: Images::new(shape, pixels, labels)?, checksum, skipped_files })
}

/// Reads a file, unless it is too large for an image.
fn read_file(path: &Path) -> Result<Vec<u8>, DatasetError> {
    let failed = |source| DatasetError::Io { path: path.into(), source };
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(DatasetError::Unexpected { path: path.into(), expected: "an image here, not a folder or device" });
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(DatasetError::TooLarge { path: path.into(), bytes: metadata.len(), limit: MAX_FILE_BYTES });
    }
    fs::read(path).map_err(failed)
}

/// Decodes an image, whose format its first bytes tell.
fn decode(bytes: Vec<u8>) -> image::ImageResult<DynamicImage> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    // A header that promises more is refused before memory is allocated.
    let mut limits = Limits::default();
    limits.max_image_width = Some(1 << 15);
    limits.max_image_height = Some(1 << 15);
    limits.max_alloc = Some(256 << 20);
    reader.limits(limits);
    reader.decode()
}

/// Appends the resized image in the order (channel, row, column). The colours are converted first, so that the filter
/// does not see an alpha channel.
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
