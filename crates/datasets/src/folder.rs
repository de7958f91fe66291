//! Reads image folders: `train/CLASS/*` and `test/CLASS/*`.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use image::ImageFormat;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::{
    checksum::FileChecksum,
    dataset::Dataset,
    error::DatasetError,
    image_file::{self, MAX_DECODED, Stamp},
    images::Images,
    source::Budget,
};

/// The largest number of files that are held in memory at once while a folder is read.
const MAX_CHUNK_FILES: usize = 512;
/// The number of bytes in memory after which no further file is read.
const MAX_CHUNK_BYTES: usize = 32 << 20;

/// Reads `root` and resizes every image to `shape` (channels, height, width). At most `cache_bytes` of pixels are kept in
/// memory; further images are decoded again whenever they are needed.
pub fn read(root: &Path, shape: [usize; 3], cache_bytes: usize) -> Result<Dataset, DatasetError> {
    image_file::check_shape(shape)?;
    let (train_folder, test_folder) = (root.join("train"), root.join("test"));
    // Both are listed before any image is decoded, which can take long.
    let (train_classes, test_classes) = (class_folders(&train_folder)?, class_folders(&test_folder)?);
    let classes: Vec<String> = train_classes.entries.iter().map(|class| class.name.clone()).collect();
    let budget = Budget::new(cache_bytes);
    let train = read_split(&train_folder, train_classes, &classes, shape, &budget)?;
    let test = read_split(&test_folder, test_classes, &classes, shape, &budget)?;
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

/// The image files of a split, in the order of the images.
struct Files {
    split: PathBuf,
    classes: Vec<String>,
    labels: Vec<u32>,
    names: Vec<OsString>,
    stamps: Vec<Stamp>,
}

impl Files {
    fn path(&self, index: usize) -> PathBuf {
        self.split.join(&self.classes[self.labels[index] as usize]).join(&self.names[index])
    }

    fn read(&self, index: usize) -> Result<Vec<u8>, DatasetError> {
        image_file::read(&self.path(index), self.stamps[index])
    }
}

/// Lists the images in the class folders of a split, and counts the files that are skipped. `classes` are the names of all
/// classes.
fn list(split: &Path, folders: ClassFolders, classes: &[String]) -> Result<(Files, usize), DatasetError> {
    let (split, classes, mut skipped_files) = (split.to_path_buf(), classes.to_vec(), folders.skipped_files);
    let mut files = Files { split, classes, labels: Vec::new(), names: Vec::new(), stamps: Vec::new() };
    for class in folders.entries {
        let Some(label) = files.classes.iter().position(|name| *name == class.name) else {
            return Err(DatasetError::UnknownClass { path: class.path, known: files.classes.join(", ") });
        };
        let images_before = files.labels.len();
        for file in entries(&class.path)? {
            if file.is_hidden() || !file.path.is_dir() && !file.is_image() {
                skipped_files += 1;
                continue;
            }
            files.stamps.push(image_file::stamp(&file.path)?);
            files.names.push(file.path.file_name().unwrap_or_default().into());
            files.labels.push(label as u32);
        }
        if files.labels.len() == images_before {
            return Err(DatasetError::EmptyClass { path: class.path });
        }
    }
    Ok((files, skipped_files))
}

/// Reads and decodes all images of a split once, so that a damaged file is found before anything else is done. They are
/// kept in memory as far as `budget` goes, and decoded again when they are needed beyond it.
fn read_split(
    split: &Path,
    folders: ClassFolders,
    classes: &[String],
    shape: [usize; 3],
    budget: &Budget,
) -> Result<Split, DatasetError> {
    let (files, skipped_files) = list(split, folders, classes)?;
    let files = Arc::new(files);
    let images = Images::computed(shape, files.labels.clone(), budget.clone(), {
        let files = files.clone();
        move |index| image_file::decode_resized(&files.path(index), &files.read(index)?, shape, MAX_DECODED)
    });
    let (mut hash, mut next) = (Sha256::new(), 0);
    while next < images.len() {
        let mut contents = Vec::new();
        let mut bytes = 0;
        while next < images.len() && contents.len() < MAX_CHUNK_FILES && bytes < MAX_CHUNK_BYTES {
            let content = files.read(next)?;
            let (class, name) = (&classes[files.labels[next] as usize], files.names[next].to_string_lossy());
            hash.update(format!("{class}/{name}\0"));
            hash.update((content.len() as u64).to_le_bytes());
            hash.update(&content);
            bytes += content.len();
            contents.push((next, content));
            next += 1;
        }
        let decode = |(index, content): (usize, Vec<u8>)| {
            image_file::decode_resized(&files.path(index), &content, shape, MAX_DECODED)
                .map(|pixels| images.keep(index, pixels))
        };
        // Collected first, so that it is always the first error that is returned.
        let decoded: Vec<_> = contents.into_par_iter().map(decode).collect();
        decoded.into_iter().collect::<Result<(), _>>()?;
    }
    let bytes = files.stamps.iter().map(|stamp| stamp.bytes).sum();
    let checksum = FileChecksum { path: split.into(), sha256: hex::encode(hash.finalize()), bytes };
    Ok(Split { images, checksum, skipped_files })
}
