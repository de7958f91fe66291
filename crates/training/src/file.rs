//! Files that are replaced as a whole.

use std::{
    io::{self, ErrorKind, Write},
    path::Path,
};

use atomic_write_file::AtomicWriteFile;
use candle_core::{Error, Result};

/// Writes a file completely or not at all. It is synced before it takes the place of an earlier one.
///
/// # Errors
/// [`Error::Io`], with the path. The earlier file is kept then.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        // The renaming would fail, and leave the new file under another name.
        if path.is_dir() {
            return Err(io::Error::from(ErrorKind::IsADirectory));
        }
        let mut file = AtomicWriteFile::open(path)?;
        file.write_all(bytes)?;
        file.commit()
    };
    write().map_err(|error| Error::Io(error).with_path(path))
}
