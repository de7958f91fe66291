//! Files and folders, with errors that name them.

use std::{
    fs,
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use atomic_write_file::AtomicWriteFile;
use sha2::{Digest, Sha256};

/// The subfolder of a suite's results that contains the records.
pub(crate) const RUNS: &str = "runs";
/// The subfolder of a suite's results that contains trained weights.
pub(crate) const WEIGHTS: &str = "weights";
/// The largest number of bytes in a name that [`file_name`] returns. File systems allow 255, extensions included.
const MAX_NAME: usize = 200;
/// The longest ending of a name that is kept when the name is shortened.
const MAX_ENDING: usize = 12;

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

/// Writes a file completely or not at all: an interrupted program, a full disk and a crash of the computer leave the old
/// file.
///
/// # Errors
/// A folder or file that cannot be written.
pub fn write_file(path: &Path, content: impl AsRef<[u8]>) -> Result<(), FileError> {
    let write = || {
        // The renaming would fail, and leave the new file under another name.
        if path.is_dir() {
            return Err(io::Error::from(ErrorKind::IsADirectory));
        }
        let mut file = AtomicWriteFile::open(path)?;
        file.write_all(content.as_ref())?;
        file.commit()
    };
    write().map_err(FileError::at(path))
}

/// Removes hidden files that killed processes left in a folder of records, checkpoints or weights. A file is written without
/// a name, and gets the hidden one `.NAME.` with six random letters and digits before its own; a process that is killed between
/// the two leaves it. What cannot be removed does no harm.
pub(crate) fn remove_leftovers(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_str().is_some_and(is_leftover)) {
        let _ = fs::remove_file(entry.path());
    }
}

fn is_leftover(name: &str) -> bool {
    name.strip_prefix('.').and_then(|name| name.rsplit_once('.')).is_some_and(|(name, random)| {
        [".json", ".safetensors"].iter().any(|ending| name.ends_with(ending))
            && random.len() == 6
            && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Creates a folder and those that contain it.
///
/// # Errors
/// A folder that cannot be created, and a file in its place.
pub fn create_folder(folder: &Path) -> Result<(), FileError> {
    let in_the_way = folder.ancestors().find(|path| path.exists()).filter(|path| !path.is_dir());
    if let Some(path) = in_the_way {
        return Err(FileError::at(path)(io::Error::new(ErrorKind::NotADirectory, "this is a file, not a folder")));
    }
    fs::create_dir_all(folder).map_err(FileError::at(folder))
}

/// Replaces all characters of a file name that some file system does not accept. The middle of a name that is too long for
/// a file system is replaced by a hash of the name.
///
/// ```
/// assert_eq!(records::file_name("mnist.two-conv.fc:120,84"), "mnist.two-conv.fc_120_84");
/// assert_eq!(records::file_name(&"very ".repeat(100)).len(), 200);
/// ```
pub fn file_name(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._@+".contains(c);
    let safe: String = name.trim_start_matches(['.', '/']).chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    if safe.len() <= MAX_NAME {
        return safe;
    }
    let hash = &hex::encode(Sha256::digest(name))[..16];
    let ending = safe.rfind('.').map_or("", |dot| &safe[dot..]);
    let ending = if ending.len() <= MAX_ENDING { ending } else { "" };
    let kept = MAX_NAME - hash.len() - 1 - ending.len();
    format!("{}+{hash}{ending}", &safe[..kept])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_stay_distinct_keep_their_ending_and_short_ones_are_not_changed() {
        let long = |last: &str| file_name(&format!("{}{last}.png", "fc:8,".repeat(100)));
        assert_eq!((long("a").len(), long("a").ends_with(".png")), (MAX_NAME, true));
        assert_ne!(long("a"), long("b"));
        let longest = "x".repeat(MAX_NAME);
        assert_eq!(file_name(&longest), longest);
        assert_ne!(file_name(&"fc:".repeat(100)), file_name(&"fc_".repeat(100)));
    }

    #[test]
    fn only_what_a_killed_process_left_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let kept =
            [".a.txt.aB3dE6", ".a.json", ".gitkeep", "a.json", "a.json.aB3dE6", ".a.json.aB3-E6", ".a.json.aB3dE67"];
        let removed = [".a.json.aB3dE6", ".b.safetensors.000000"];
        kept.iter().chain(&removed).for_each(|name| fs::write(folder.path().join(name), "").unwrap());
        remove_leftovers(folder.path());
        kept.iter().for_each(|name| assert!(folder.path().join(name).exists(), "{name}"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), kept.len());
        remove_leftovers(&folder.path().join("missing"));
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_a_failure_leaves_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_file(&path, "old").unwrap();
        write_file(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        fs::create_dir(folder.path().join("b.json")).unwrap();
        assert!(write_file(&folder.path().join("b.json"), "c").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        let error = create_folder(&path.join("runs")).unwrap_err().to_string();
        assert!(error.contains("a.json: this is a file, not a folder"), "{error}");
    }
}
