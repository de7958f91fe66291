//! The TOML file of a suite.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = experiments::fuzzing::suite(text);
});
