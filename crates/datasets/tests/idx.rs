//! Loading `mnist` and `fashion-mnist` from IDX files, valid and invalid.

mod common;

use common::{gzip, idx, load_from, message_of, write};
use datasets::{DatasetError, DatasetId};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const LABELS: u32 = 0x801;
const IMAGES: u32 = 0x803;

/// Writes three training and two test images of 2×3 pixels.
fn good() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let pixels: Vec<u8> = (0..18).collect();
    write(folder.path(), "train-images-idx3-ubyte", &idx(IMAGES, &[3, 2, 3], &pixels));
    write(folder.path(), "train-labels-idx1-ubyte", &idx(LABELS, &[3], &[9, 0, 4]));
    write(folder.path(), "t10k-images-idx3-ubyte", &idx(IMAGES, &[2, 2, 3], &pixels[6..]));
    write(folder.path(), "t10k-labels-idx1-ubyte", &idx(LABELS, &[2], &[1, 2]));
    folder
}

/// Returns the error of loading the valid folder with one file replaced.
fn with(name: &str, bytes: &[u8]) -> (DatasetError, String) {
    let folder = good();
    write(folder.path(), name, bytes);
    message_of(load_from(DatasetId::Mnist, folder.path()), name)
}

#[test]
fn the_four_files_are_read_plain() {
    let folder = good();
    let data = load_from(DatasetId::Mnist, folder.path()).unwrap();
    assert_eq!((data.name.as_str(), data.classes.len()), ("mnist", 10));
    assert_eq!(data.train.shape, [1, 2, 3]);
    assert_eq!(data.train.labels, [9, 0, 4]);
    assert_eq!(data.train.pixels().unwrap(), (0..18).collect::<Vec<u8>>());
    assert_eq!(data.test.labels, [1, 2]);
    assert_eq!(data.test.pixels().unwrap(), (6..18).collect::<Vec<u8>>());
    assert_eq!(data.train.class_counts(10), [1, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
}

#[test]
fn names_with_a_dot_and_gzipped_files_are_read_the_same() {
    let (unpacked, packed) = (good(), tempfile::tempdir().unwrap());
    for (name, new_name) in [
        ("train-images-idx3-ubyte", "train-images.idx3-ubyte.gz"),
        ("train-labels-idx1-ubyte", "train-labels-idx1-ubyte.gz"),
        ("t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte"),
        ("t10k-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"),
    ] {
        let bytes = std::fs::read(unpacked.path().join(name)).unwrap();
        write(packed.path(), new_name, &if new_name.ends_with(".gz") { gzip(&bytes) } else { bytes });
    }
    let (unpacked, packed) = (load_from(DatasetId::Mnist, unpacked.path()), load_from(DatasetId::Mnist, packed.path()));
    assert_eq!(unpacked.as_ref().unwrap().train, packed.as_ref().unwrap().train);
    assert_eq!(unpacked.unwrap().test, packed.unwrap().test);
}

#[test]
fn the_source_files_are_summed_as_they_lie_there() {
    let folder = good();
    let files = load_from(DatasetId::FashionMnist, folder.path()).unwrap().files;
    assert_eq!(files.len(), 4);
    for file in files {
        let bytes = std::fs::read(&file.path).unwrap();
        let sha256 = hex::encode(Sha256::digest(&bytes));
        assert_eq!((file.sha256, file.bytes), (sha256, bytes.len() as u64));
    }
}

#[test]
fn a_missing_file_is_named_with_what_was_looked_for() {
    let folder = good();
    std::fs::remove_file(folder.path().join("t10k-labels-idx1-ubyte")).unwrap();
    let (error, message) = message_of(load_from(DatasetId::Mnist, folder.path()), "t10k-labels-idx1-ubyte");
    assert!(matches!(error, DatasetError::Missing { .. }));
    assert!(message.contains("t10k-labels.idx1-ubyte") && message.contains(".gz"), "{message}");
}

#[test]
fn a_missing_folder_is_named() {
    let (error, message) = message_of(load_from(DatasetId::Mnist, "no/such/folder".as_ref()), "no/such/folder");
    assert!(matches!(error, DatasetError::Missing { .. }));
    assert!(message.contains("no folder"), "{message}");
}

#[cfg(not(feature = "hub"))]
#[test]
fn without_a_folder_mnist_says_which_option_to_give_or_feature_to_enable() {
    let (error, message) = message_of(datasets::load(&DatasetId::Mnist, &Default::default()), "mnist");
    assert!(matches!(error, DatasetError::Unavailable { .. }));
    assert!(message.contains("data_dir") && message.contains("`hub`"), "{message}");
}

#[test]
fn a_truncated_gzip_is_an_error_wherever_it_ends() {
    let whole = gzip(&idx(IMAGES, &[3, 2, 3], &(0..18).collect::<Vec<u8>>()));
    for length in 2..whole.len() {
        let folder = good();
        std::fs::remove_file(folder.path().join("train-images-idx3-ubyte")).unwrap();
        write(folder.path(), "train-images-idx3-ubyte.gz", &whole[..length]);
        let (error, _) = message_of(load_from(DatasetId::Mnist, folder.path()), "train-images-idx3-ubyte.gz");
        assert!(matches!(error, DatasetError::TruncatedGzip { .. }), "{length} of {} bytes: {error:?}", whole.len());
    }
}

#[test]
fn a_damaged_gzip_is_an_error() {
    let mut bytes = gzip(&idx(LABELS, &[3], &[9, 0, 4]));
    let checksum = bytes.len() - 8;
    bytes[checksum] ^= 1;
    assert!(matches!(with("train-labels-idx1-ubyte", &bytes).0, DatasetError::DamagedGzip { .. }));
}

#[test]
fn a_wrong_magic_number_is_an_error_that_says_both() {
    let (error, message) = with("train-images-idx3-ubyte", &idx(LABELS, &[3], &[9, 0, 4]));
    assert!(matches!(error, DatasetError::WrongMagic { found: LABELS, expected: IMAGES, .. }));
    assert!(message.contains("0x00000801") && message.contains("0x00000803"), "{message}");
}

#[test]
fn an_empty_file_and_one_that_ends_in_its_header_are_errors() {
    let header = idx(IMAGES, &[3, 2, 3], &[]);
    for length in 0..header.len() {
        let (error, message) = with("train-images-idx3-ubyte", &header[..length]);
        assert!(matches!(error, DatasetError::TruncatedHeader { header: 16, .. }), "{length} bytes: {error:?}");
        assert!(message.contains(&format!("ends after {length} bytes")), "{message}");
    }
}

#[test]
fn a_header_that_promises_more_or_less_than_the_file_holds_is_an_error() {
    let (error, message) = with("train-images-idx3-ubyte", &idx(IMAGES, &[3, 2, 4], &[0; 18]));
    assert!(matches!(error, DatasetError::WrongSize { promised: 40, held: 34, .. }), "{error:?}");
    assert!(message.contains("should be 40 bytes (unpacked), is 34"), "{message}");
    let (error, message) = with("train-images-idx3-ubyte", &idx(IMAGES, &[3, 2, 3], &[0; 100]));
    assert!(matches!(error, DatasetError::WrongSize { promised: 34, held: 35, .. }), "{error:?}");
    assert!(message.contains("should be 34 bytes (unpacked), is at least 35"), "{message}");
    let (error, _) = with("train-labels-idx1-ubyte", &idx(LABELS, &[200_000_000], &[0; 3]));
    assert!(matches!(error, DatasetError::WrongSize { promised: 200_000_008, held: 11, .. }), "{error:?}");
}

#[test]
fn a_header_that_promises_absurdly_much_is_refused_before_anything_is_read() {
    let (error, _) = with("train-images-idx3-ubyte", &idx(IMAGES, &[3, u32::MAX, u32::MAX], &[0; 18]));
    assert!(matches!(error, DatasetError::TooLarge { .. }), "{error:?}");
    let (error, _) = with("train-labels-idx1-ubyte", &idx(LABELS, &[u32::MAX], &[0; 3]));
    assert!(matches!(error, DatasetError::TooLarge { .. }), "{error:?}");
}

#[test]
fn a_gzip_bomb_is_unpacked_no_further_than_its_header_promises() {
    let bomb = gzip(&idx(IMAGES, &[3, 2, 3], &vec![0; 50 << 20]));
    assert!(bomb.len() < 100_000);
    let (error, _) = with("train-images-idx3-ubyte", &bomb);
    assert!(matches!(error, DatasetError::WrongSize { promised: 34, held: 35, .. }), "{error:?}");
}

#[test]
fn a_label_out_of_range_is_an_error_that_says_which() {
    let (error, message) = with("train-labels-idx1-ubyte", &idx(LABELS, &[3], &[9, 10, 4]));
    assert!(matches!(error, DatasetError::LabelOutOfRange { index: 1, label: 10, classes: 10, .. }));
    assert!(message.contains("label 10 of image 1"), "{message}");
}

#[test]
fn counts_of_images_and_labels_that_differ_are_an_error_that_names_both_files() {
    let (error, message) = with("train-labels-idx1-ubyte", &idx(LABELS, &[4], &[9, 0, 4, 1]));
    assert!(matches!(error, DatasetError::CountMismatch { images: 3, labels: 4, .. }));
    assert!(message.contains("train-images-idx3-ubyte"), "{message}");
}

#[test]
fn a_data_set_with_no_images_is_an_error() {
    let folder = good();
    write(folder.path(), "t10k-images-idx3-ubyte", &idx(IMAGES, &[0, 2, 3], &[]));
    write(folder.path(), "t10k-labels-idx1-ubyte", &idx(LABELS, &[0], &[]));
    let (error, _) = message_of(load_from(DatasetId::Mnist, folder.path()), "t10k-images-idx3-ubyte");
    assert!(matches!(error, DatasetError::NoImages { .. }));
}

#[test]
fn images_of_no_size_and_test_images_of_another_size_are_errors() {
    let (error, _) = with("train-images-idx3-ubyte", &idx(IMAGES, &[3, 0, 3], &[]));
    assert!(matches!(error, DatasetError::WrongImageSize { .. }));
    let (error, message) = with("t10k-images-idx3-ubyte", &idx(IMAGES, &[2, 3, 2], &[0; 12]));
    assert!(matches!(error, DatasetError::WrongImageSize { .. }));
    assert!(message.contains("3x2") && message.contains("2x3"), "{message}");
}
