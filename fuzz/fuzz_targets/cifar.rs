//! A file in the binary format of CIFAR-10, gzipped or not.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(images) = datasets::fuzzing::cifar(data, 10) {
        assert_eq!(images.pixels().unwrap().len(), images.len() * 3072);
        assert!(images.labels.iter().all(|&label| label < 10));
    }
});
