//! The three CSV files of protein–drug pairs, with a form feed between them.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut files = data.splitn(3, |&byte| byte == 0x0c);
    let mut file = || files.next().unwrap_or_default();
    let options = datasets::PairOptions::default().skip_unknown(true);
    if let Ok(pairs) = datasets::fuzzing::pairs(file(), file(), file(), &options) {
        assert!(pairs.drugs.iter().all(|drug| drug.fingerprint.len() == pairs.fingerprint_bits()));
        for index in 0..pairs.len() {
            assert!(pairs.protein(index).padded(7).iter().all(|&id| id <= 25));
        }
    }
});
