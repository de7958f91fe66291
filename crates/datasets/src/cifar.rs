//! Reads the binary format of CIFAR-10: records of a label and 3×32×32 bytes, 10,000 to a file, without a header.

use std::path::Path;

use crate::{dataset::DataFiles, error::DatasetError, images::Images, raw_file::RawFile};

pub(crate) const SHAPE: [usize; 3] = [3, 32, 32];
/// The size of a record in bytes.
const RECORD: usize = 1 + 3 * 32 * 32;
/// The largest number of records in a file.
const MAX_RECORDS: usize = 10_000;

/// Reads the five training files and the test file from `folder`, or from its subfolder `cifar-10-batches-bin`, to
/// which the official archive unpacks.
pub fn read_folder(folder: &Path, classes: usize) -> Result<DataFiles, DatasetError> {
    let unpacked = folder.join("cifar-10-batches-bin");
    let folder = if unpacked.is_dir() { &unpacked } else { folder };
    let mut files = Vec::new();
    let mut read = |names: &[&str]| {
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for name in names {
            let file = RawFile::find(folder, &[name])?;
            append(&file, classes, &mut pixels, &mut labels)?;
            files.push(file.checksum());
        }
        Images::new(SHAPE, pixels, labels)
    };
    let train =
        read(&["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"])?;
    let test = read(&["test_batch.bin"])?;
    Ok(DataFiles { train, test, files })
}

/// Appends the records of a file.
pub(crate) fn append(
    file: &RawFile,
    classes: usize,
    pixels: &mut Vec<u8>,
    labels: &mut Vec<u32>,
) -> Result<(), DatasetError> {
    let path = || file.path.clone();
    let bytes = file.reader().read_up_to((MAX_RECORDS * RECORD + 1) as u64)?;
    if bytes.is_empty() {
        return Err(DatasetError::NoImages { path: path() });
    }
    if bytes.len() % RECORD != 0 || bytes.len() > MAX_RECORDS * RECORD {
        return Err(DatasetError::NotWholeRecords { path: path(), bytes: bytes.len() as u64, record: RECORD });
    }
    for (index, record) in bytes.chunks_exact(RECORD).enumerate() {
        let label = u32::from(record[0]);
        if label as usize >= classes {
            return Err(DatasetError::LabelOutOfRange { path: path(), index, label, classes });
        }
        labels.push(label);
        pixels.extend_from_slice(&record[1..]);
    }
    Ok(())
}
