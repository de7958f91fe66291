//! Files that are replaced as a whole.

use std::{io::Write, path::Path};

use atomic_write_file::AtomicWriteFile;
use candle_core::{Error, Result};

/// Writes a file completely or not at all. It is synced before it takes the place of an earlier one.
///
/// # Errors
/// [`Error::Io`], with the path. The earlier file is kept then.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        let mut file = AtomicWriteFile::open(path)?;
        file.write_all(bytes)?;
        file.commit()
    };
    write().map_err(|error| Error::Io(error).with_path(path))
}
