//! A file of images and one of labels in the IDX format, gzipped or not. The first two bytes give the length of the second.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [high, low, rest @ ..] = data else { return };
    let labels = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
    let (labels, images) = rest.split_at(labels);
    if let Ok(images) = datasets::fuzzing::idx(images, labels, 10) {
        assert_eq!(images.pixels().unwrap().len(), images.len() * images.shape.iter().product::<usize>());
        assert!(images.labels.iter().all(|&label| label < 10));
    }
});
