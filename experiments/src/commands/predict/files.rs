//! The image files that `predict` is given.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use datasets::printable;
use image::ImageFormat;

use crate::misuse::Misuse;

/// Lists the files that are named, and for each folder the image files in it and in its subfolders, sorted by name. Hidden
/// files are left out.
///
/// # Errors
/// [`Misuse`] for what does not exist and for a folder without images.
pub fn image_files(named: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            if !path.exists() {
                return Err(Misuse::new(format!("there is no image {}", path.display())).into());
            }
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        add_folder(&mut files, path)?;
        if files.len() == before {
            return Err(Misuse::new(format!("the folder {} contains no images", path.display())).into());
        }
    }
    Ok(files)
}

fn add_folder(files: &mut Vec<PathBuf>, folder: &Path) -> Result<()> {
    let read = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>();
    let mut entries = read().with_context(|| folder.display().to_string())?;
    entries.sort();
    for path in entries {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        // A symbolic link to a folder might lead in a circle.
        if hidden || path.is_symlink() && path.is_dir() {
            continue;
        }
        if path.is_dir() {
            add_folder(files, &path)?;
        } else if ImageFormat::from_path(&path).is_ok() {
            files.push(path);
        }
    }
    Ok(())
}

/// The index of each image's class, which is the name of the folder that the image lies in.
///
/// # Errors
/// [`Misuse`] for a folder that is not called like a class of the network.
pub fn labels(files: &[PathBuf], classes: &[String]) -> Result<Vec<usize>, Misuse> {
    let label = |path: &PathBuf| {
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        classes.iter().position(|class| *class == folder).ok_or_else(|| {
            let (path, known) = (path.display(), classes.iter().map(|class| printable(class)).collect::<Vec<_>>());
            Misuse::new(format!(
                "--labels takes the name of an image's folder as its class, but {path} lies in `{}`; the classes are {}",
                printable(&folder),
                known.join(", ")
            ))
        })
    };
    files.iter().map(label).collect()
}
