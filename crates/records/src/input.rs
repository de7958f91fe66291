use std::{fs, io, io::Read, path::Path};

use crate::file::FileError;

/// Reads a file that anyone may have written. It must be a regular file of at most `limit` bytes: a pipe or device could
/// wait or go on for ever.
///
/// # Errors
/// What cannot be read, is no regular file or is larger.
pub fn read_input(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let failed = FileError::at(path);
    let metadata = fs::metadata(path).map_err(&failed)?;
    if !metadata.is_file() {
        let kind = if metadata.is_dir() { "a folder" } else { "a pipe or device" };
        return Err(failed(io::Error::other(format!("this is {kind}, but it must be a file"))));
    }
    let mut content = Vec::new();
    fs::File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut content)).map_err(&failed)?;
    if content.len() as u64 > limit {
        return Err(failed(io::Error::other(format!("it is larger than {limit} bytes"))));
    }
    Ok(content)
}

/// Reads a text file as [`read_input`] does.
///
/// # Errors
/// Those of [`read_input`], and a file that is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> Result<String, FileError> {
    String::from_utf8(read_input(path, limit)?)
        .map_err(|_| FileError::at(path)(io::Error::other("it is not UTF-8 text")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_devices_and_files_that_are_too_large_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_text(&path, 5).unwrap(), "12345");
        let message = |path: &Path, limit| read_text(path, limit).unwrap_err().to_string();
        assert!(message(&path, 4).contains("a.json: it is larger than 4 bytes"));
        assert!(message(folder.path(), 4).contains("a folder"));
        fs::write(&path, b"\xff").unwrap();
        assert!(message(&path, 4).contains("UTF-8"));
        if cfg!(unix) {
            assert!(message(Path::new("/dev/zero"), 4).contains("a pipe or device"));
        }
    }
}
