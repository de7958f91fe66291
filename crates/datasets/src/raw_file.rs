//! Reads data files, gzipped or not, without trusting their size.

use std::{
    borrow::Cow,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::{checksum::FileChecksum, error::DatasetError};

/// The largest size of a data file, packed or unpacked. The largest of the known data sets unpacks to 45 MiB.
pub const MAX_FILE_BYTES: u64 = 256 << 20;

/// A data file in memory, still gzipped if it is.
pub struct RawFile<'a> {
    pub path: PathBuf,
    bytes: Cow<'a, [u8]>,
}

impl<'a> RawFile<'a> {
    /// Wraps bytes that are compiled into the program. Errors refer to them by `name`.
    pub fn embedded(name: &str, bytes: &'a [u8]) -> Self {
        Self { path: name.into(), bytes: bytes.into() }
    }

    /// Reads the first of `names` that exists in `folder`, with or without the extension `.gz`.
    pub fn find(folder: &Path, names: &[&str]) -> Result<Self, DatasetError> {
        let path = names
            .iter()
            .flat_map(|name| [folder.join(name), folder.join(format!("{name}.gz"))])
            .find(|path| path.is_file())
            .ok_or_else(|| DatasetError::Missing {
                path: folder.join(names[0]),
                expected: if folder.is_dir() {
                    format!("looked for {}, each with or without .gz", names.join(", "))
                } else {
                    format!("there is no folder {}", folder.display())
                },
            })?;
        let failed = |source| DatasetError::Io { path: path.clone(), source };
        let bytes = fs::metadata(&path).map_err(failed)?.len();
        if bytes > MAX_FILE_BYTES {
            return Err(DatasetError::TooLarge { path, bytes, limit: MAX_FILE_BYTES });
        }
        let bytes = fs::read(&path).map_err(failed)?.into();
        Ok(Self { path, bytes })
    }

    /// Returns the checksum of the file, gzipped if it is.
    pub fn checksum(&self) -> FileChecksum {
        FileChecksum {
            path: self.path.clone(),
            sha256: hex::encode(Sha256::digest(&self.bytes)),
            bytes: self.bytes.len() as u64,
        }
    }

    /// Returns a reader of the unpacked content.
    pub fn reader(&self) -> Reader<'_> {
        // Neither IDX (0 0 …) nor CIFAR (a label below 10) starts with gzip's magic number.
        let gzipped = self.bytes.starts_with(&[0x1f, 0x8b]);
        let input: Box<dyn Read> =
            if gzipped { Box::new(MultiGzDecoder::new(&self.bytes[..])) } else { Box::new(&self.bytes[..]) };
        Reader { path: &self.path, input }
    }
}

/// A reader of the unpacked content of a [`RawFile`].
pub struct Reader<'a> {
    path: &'a Path,
    input: Box<dyn Read + 'a>,
}

impl Reader<'_> {
    /// Reads `limit` bytes, or fewer if the content ends before. Memory grows with what has been read, so neither a
    /// wrong header nor a gzip bomb costs more than the content or the limit.
    pub fn read_up_to(&mut self, limit: u64) -> Result<Vec<u8>, DatasetError> {
        let mut bytes = Vec::new();
        match self.input.by_ref().take(limit).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            // Only the gzip decoder can fail, since the file is in memory.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(DatasetError::TruncatedGzip { path: self.path.into() })
            }
            Err(source) => Err(DatasetError::DamagedGzip { path: self.path.into(), source }),
        }
    }
}
