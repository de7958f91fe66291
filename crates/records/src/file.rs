//! Files and folders, with errors that name them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The subfolder of a suite's results that contains the records.
pub(crate) const RUNS: &str = "runs";

/// A folder or file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct FileError {
    /// The folder or file.
    pub path: PathBuf,
    /// The error of the operating system.
    pub reason: io::Error,
}

impl FileError {
    /// Adds the path to errors of the operating system.
    pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_path_buf();
        move |reason| Self { path: path.clone(), reason }
    }
}

/// Writes a file completely or not at all: an interrupted program leaves the old file.
///
/// # Errors
/// A folder or file that cannot be written.
pub fn write_file(path: &Path, content: impl AsRef<[u8]>) -> Result<(), FileError> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    fs::write(&partial, content).and_then(|()| fs::rename(&partial, path)).map_err(FileError::at(path))
}

/// Creates a folder and those that contain it.
///
/// # Errors
/// A folder that cannot be created.
pub fn create_folder(folder: &Path) -> Result<(), FileError> {
    fs::create_dir_all(folder).map_err(FileError::at(folder))
}

/// Replaces all characters of a file name that some file system does not accept.
///
/// ```
/// assert_eq!(records::file_name("mnist.two-conv.fc:120,84"), "mnist.two-conv.fc_120_84");
/// ```
pub fn file_name(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._@+".contains(c);
    name.trim_start_matches(['.', '/']).chars().map(|c| if allowed(c) { c } else { '_' }).collect()
}
