//! A `tuning.csv`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use records::Rates;

fuzz_target!(|text: &str| {
    if let Ok(rates) = Rates::parse(text) {
        let rate = rates.find(["mnist", "nin", "gap"], "1x28x28", 100, None);
        assert!(rate.is_none_or(|rate| rate.is_finite() && rate > 0.));
    }
});
