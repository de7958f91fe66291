//! A PNG or JPEG image of a folder.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // The size that a header promises is bounded by a constant, not by the file's size. Here it is kept small.
    if let Ok(pixels) = datasets::fuzzing::image(data, [3, 9, 7], 1 << 22) {
        assert_eq!(pixels.len(), 3 * 9 * 7);
    }
});
