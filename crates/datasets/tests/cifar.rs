//! Loading `cifar10` from small files in the official binary format.

mod common;

use std::path::Path;

use common::{gzip, load_from, message_of, write};
use datasets::{DatasetError, DatasetId};
use tempfile::TempDir;

/// Returns a record whose planes are filled with 10, 20 and 30 more than the label, except for the first two bytes of
/// the red one.
fn record(label: u8) -> Vec<u8> {
    let mut record = vec![label];
    for plane in 1..=3 {
        record.extend([label + 10 * plane; 1024]);
    }
    record[1..3].copy_from_slice(&[254, 255]);
    record
}

/// Writes six files below `sub`: two records in each for training, one for testing.
fn good(sub: &str, pack: fn(&[u8]) -> Vec<u8>, ending: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for batch in 1..=5u8 {
        let bytes = [record(batch), record(0)].concat();
        write(folder.path(), &format!("{sub}data_batch_{batch}.bin{ending}"), &pack(&bytes));
    }
    write(folder.path(), &format!("{sub}test_batch.bin{ending}"), &pack(&record(9)));
    folder
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

fn with(name: &str, bytes: &[u8]) -> (DatasetError, String) {
    let folder = good("", unpacked, "");
    write(folder.path(), name, bytes);
    message_of(load_from(DatasetId::Cifar10, folder.path()), name)
}

fn check(folder: &Path) {
    let data = load_from(DatasetId::Cifar10, folder).unwrap();
    assert_eq!((data.train.shape, data.classes.len(), data.files.len()), ([3, 32, 32], 10, 6));
    assert_eq!(data.train.labels, [1, 0, 2, 0, 3, 0, 4, 0, 5, 0]);
    assert_eq!(data.test.labels, [9]);
    assert_eq!(data.test.pixels().unwrap(), record(9)[1..]);
    assert_eq!(data.train.image(2).unwrap()[..3], [254, 255, 12]);
    assert_eq!(data.train.image(2).unwrap()[1024], 22);
}

#[test]
fn the_six_files_are_read_plain_or_gzipped_in_the_folder_or_where_the_archive_unpacks() {
    check(good("", unpacked, "").path());
    check(good("", gzip, ".gz").path());
    check(good("cifar-10-batches-bin/", unpacked, "").path());
    check(good("cifar-10-batches-bin/", gzip, ".gz").path());
}

#[test]
fn a_missing_batch_is_named() {
    let folder = good("", unpacked, "");
    std::fs::remove_file(folder.path().join("data_batch_3.bin")).unwrap();
    let (error, _) = message_of(load_from(DatasetId::Cifar10, folder.path()), "data_batch_3.bin");
    assert!(matches!(error, DatasetError::Missing { .. }));
}

#[test]
fn a_file_that_is_no_whole_number_of_records_or_holds_too_many_is_an_error() {
    let (error, message) = with("data_batch_2.bin", &record(1)[..3000]);
    assert!(matches!(error, DatasetError::NotWholeRecords { bytes: 3000, .. }));
    assert!(message.contains("3073"), "{message}");
    let (error, _) = with("data_batch_2.bin", &gzip(&vec![0; 20_000 * 3073]));
    assert!(matches!(error, DatasetError::NotWholeRecords { .. }));
}

#[test]
fn an_empty_file_and_a_label_out_of_range_are_errors() {
    assert!(matches!(with("test_batch.bin", &[]).0, DatasetError::NoImages { .. }));
    let (error, _) = with("data_batch_5.bin", &[record(1), record(10)].concat());
    assert!(matches!(error, DatasetError::LabelOutOfRange { index: 1, label: 10, .. }));
}

#[test]
fn a_truncated_gzip_is_an_error() {
    let packed = gzip(&record(1));
    let (error, _) = with("data_batch_1.bin", &packed[..packed.len() - 5]);
    assert!(matches!(error, DatasetError::TruncatedGzip { .. }));
}
