//! Small data files, made in temporary folders.
#![allow(dead_code)] // each test file uses its part

use std::{fs, io::Write, path::Path};

use datasets::{Dataset, DatasetError, DatasetId, LoadOptions, load};
use flate2::{Compression, write::GzEncoder};

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An IDX file whose header says `magic` and `sizes`, whatever stands behind it.
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
    load(&id, &LoadOptions { data_dir: Some(folder.into()), input: None })
}

/// Loads what must fail, and gives the message: one line that names `file`.
pub fn message_of(result: Result<Dataset, DatasetError>, file: &str) -> (DatasetError, String) {
    let error = result.expect_err("a bad file was accepted");
    let message = error.to_string();
    assert!(message.contains(file), "`{message}` does not name {file}");
    assert!(!message.contains('\n'), "{message}");
    (error, message)
}
