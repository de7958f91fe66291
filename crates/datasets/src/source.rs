use std::{
    borrow::Cow,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

use crate::DatasetError;

/// No data file of the known sets comes near this, packed or unpacked (MNIST's largest unpacks to 45 MiB).
pub(crate) const LARGEST: u64 = 256 << 20;

/// Where data came from, so that a record of an experiment can say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// The file, as it was found; for embedded data its name in the crate, for an image folder the split's folder, for
    /// the hub `hub:OWNER/NAME/SPLIT`.
    pub path: PathBuf,
    /// Of the file as it lies there (still gzipped, if it is), in hexadecimal, as `sha256sum` prints it. For an image
    /// folder: over each image's relative name, a zero byte, its length (8 bytes, little endian) and its content, in
    /// order of the names. For the hub: over the decoded pixels, then the labels, one byte each.
    pub sha256: String,
    /// Size of what was summed: of the file, of the folder's images, of the decoded pixels and labels.
    pub bytes: u64,
}

/// `sum` in hexadecimal.
pub(crate) fn hex(sum: Sha256) -> String {
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A data file's bytes as they lie there, gzipped or not.
pub(crate) struct Source<'a> {
    pub path: PathBuf,
    raw: Cow<'a, [u8]>,
}

impl<'a> Source<'a> {
    /// Bytes compiled into the program, under the name that errors will give.
    pub fn embedded(name: &str, raw: &'a [u8]) -> Self {
        Self { path: name.into(), raw: raw.into() }
    }

    /// The first of `names` that exists in `folder`, as it is or with `.gz` behind it.
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
        if bytes > LARGEST {
            return Err(DatasetError::TooLarge { path, bytes, limit: LARGEST });
        }
        let raw = fs::read(&path).map_err(failed)?.into();
        Ok(Self { path, raw })
    }

    pub fn file(&self) -> SourceFile {
        SourceFile {
            path: self.path.clone(),
            sha256: hex(Sha256::new_with_prefix(&self.raw)),
            bytes: self.raw.len() as u64,
        }
    }

    /// Reads the content, unpacked where it is gzipped.
    pub fn reader(&self) -> Reader<'_> {
        // Neither IDX (0 0 …) nor CIFAR (a label below 10) can begin like gzip.
        let gzipped = self.raw.starts_with(&[0x1f, 0x8b]);
        let input: Box<dyn Read> =
            if gzipped { Box::new(MultiGzDecoder::new(&self.raw[..])) } else { Box::new(&self.raw[..]) };
        Reader { path: &self.path, input }
    }
}

pub(crate) struct Reader<'a> {
    path: &'a Path,
    input: Box<dyn Read + 'a>,
}

impl Reader<'_> {
    /// The next `limit` bytes, or fewer where the content ends. Memory grows with what is really there, so neither a
    /// lying header nor a gzip bomb costs more than the file's content or the limit.
    pub fn up_to(&mut self, limit: u64) -> Result<Vec<u8>, DatasetError> {
        let mut bytes = Vec::new();
        match self.input.by_ref().take(limit).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            // Only the gzip decoder can fail here: the bytes are already in memory.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(DatasetError::TruncatedGzip { path: self.path.into() })
            }
            Err(source) => Err(DatasetError::DamagedGzip { path: self.path.into(), source }),
        }
    }
}
