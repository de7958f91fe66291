//! Loading the embedded sample, and Debian's Fashion-MNIST if it is installed.

use std::path::Path;

use candle_core::Device;
use datasets::{DatasetId, LoadOptions, Order, Standardization, load};
use sha2::{Digest, Sha256};

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[test]
fn mnist_mini_holds_images_from_everywhere_in_the_official_files() {
    let data = load(&DatasetId::MnistMini, &LoadOptions::default()).unwrap();
    assert_eq!((data.train.len(), data.test.len(), data.train.shape), (10_000, 2_000, [1, 28, 28]));
    assert_eq!(data.train.labels[..5], [5, 0, 4, 1, 9]);
    assert_eq!(data.test.labels[..5], [7, 2, 1, 0, 4]);
    // A sixth of 5923, 6742, … training images, and a fifth of 980, 1135, … test images.
    assert_eq!(data.train.class_counts(10), [987, 1124, 993, 1022, 974, 904, 986, 1044, 975, 991]);
    assert_eq!(data.test.class_counts(10), [196, 227, 206, 202, 196, 178, 192, 206, 195, 202]);
    // The checksums of the pixels that `mnist-mini/make.py` takes from the official files.
    assert_eq!(
        sha256(&data.train.pixels().unwrap()),
        "e30cd31aaaaf2b9c5027fd2a2cd4aaa196abf760c1738c207a04dd09c5df8734"
    );
    assert_eq!(
        sha256(&data.test.pixels().unwrap()),
        "4118edeeb6182fccda72b0fe0e4419b45aae1982dd72aa5f647850e46d91c791"
    );
}

#[test]
fn mnist_mini_has_the_statistics_known_of_mnist() {
    let data = load(&DatasetId::MnistMini, &LoadOptions::default()).unwrap();
    let standardization = Standardization::of(&data.train).unwrap();
    // All 60,000 images have 0.1307 and 0.3081.
    assert!((standardization.mean[0] - 0.1307).abs() < 2e-3, "{standardization:?}");
    assert!((standardization.std[0] - 0.3081).abs() < 2e-3, "{standardization:?}");
    let batches = data.train.batches(64, Order::Shuffled { seed: 0, epoch: 0 }, &standardization, &Device::Cpu);
    let sizes: Vec<usize> = batches.map(|batch| batch.unwrap().0.dim(0).unwrap()).collect();
    assert_eq!((sizes.len(), sizes[155], sizes[156]), (157, 64, 16));
}

#[test]
fn mnist_mini_says_what_it_is_made_of() {
    let data = load(&DatasetId::MnistMini, &LoadOptions::default()).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(data.files.len(), 4);
    for file in &data.files {
        let bytes = std::fs::read(folder.join(&file.path)).unwrap();
        assert_eq!((file.sha256.as_str(), file.bytes), (sha256(&bytes).as_str(), bytes.len() as u64));
    }
    assert!(data.files.iter().map(|file| file.bytes).sum::<u64>() < 3_000_000);
}

#[test]
fn debians_fashion_mnist_is_found_by_itself() {
    if !Path::new("/usr/share/datasets/fashion-mnist").is_dir() {
        eprintln!("skipped: Debian's package dataset-fashion-mnist is not installed");
        return;
    }
    let data = load(&DatasetId::FashionMnist, &LoadOptions::default()).unwrap();
    assert_eq!((data.train.len(), data.test.len(), data.train.shape), (60_000, 10_000, [1, 28, 28]));
    assert_eq!(data.train.class_counts(10), [6_000; 10]);
    assert_eq!(data.test.class_counts(10), [1_000; 10]);
    assert_eq!(data.train.labels[..5], [9, 0, 0, 3, 0]);
    assert_eq!(data.classes[data.train.labels[0] as usize], "Ankle boot");
}
