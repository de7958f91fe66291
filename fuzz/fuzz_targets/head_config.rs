//! The name of a head, and a list of them. What is parsed is displayed as a text that parses to the same.

#![no_main]

use heads::HeadConfig;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(head) = text.parse::<HeadConfig>() {
        assert_eq!(head.to_string().parse::<HeadConfig>().unwrap(), head);
    }
    if let Ok(heads) = heads::parse_list(text) {
        assert!(!heads.is_empty());
    }
});
