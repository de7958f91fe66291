//! Writes small data files into temporary folders.
#![allow(dead_code)] // Each test file uses some of the functions.

pub mod folder;

use std::{fs, io::Write, path::Path};

use datasets::{Dataset, DatasetError, DatasetId, LoadOptions, load};
use flate2::{Compression, write::GzEncoder};

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Returns an IDX file with `magic` and `sizes` in its header, which need not fit the body.
pub fn idx(magic: u32, sizes: &[u32], body: &[u8]) -> Vec<u8> {
    let mut bytes = magic.to_be_bytes().to_vec();
    sizes.iter().for_each(|size| bytes.extend(size.to_be_bytes()));
    bytes.extend(body);
    bytes
}

pub fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

pub fn load_from(id: DatasetId, folder: &Path) -> Result<Dataset, DatasetError> {
    load(&id, &LoadOptions::default().data_dir(folder.to_path_buf()))
}

/// Returns the error of a load that must fail, and its message, which must be one line that names `file`.
pub fn message_of(result: Result<Dataset, DatasetError>, file: &str) -> (DatasetError, String) {
    let error = result.expect_err("a bad file was accepted");
    let message = error.to_string();
    assert!(message.contains(file), "`{message}` does not name {file}");
    assert!(!message.contains('\n'), "{message}");
    (error, message)
}
