//! A `tuning.csv`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use records::{Rates, RunConfig};

fuzz_target!(|text: &str| {
    if let Ok(rates) = Rates::parse(text) {
        let rate = rates.find(&RunConfig { dataset: "mnist".into(), model: "nin".into(), head: "gap".into(), ..RunConfig::default() });
        assert!(rate.is_none_or(|rate| rate.is_finite() && rate > 0.));
    }
});
