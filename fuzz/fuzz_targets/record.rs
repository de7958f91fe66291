//! The JSON of a record. What is read must give a table, and must be the same once it is written and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use records::{Record, rows, select};

fuzz_target!(|data: &[u8]| {
    if let Ok(record) = Record::parse(data) {
        let json = serde_json::to_vec(&record).unwrap();
        assert_eq!(Record::parse(&json).unwrap(), record);
        let (chosen, _) = select(&[record], None);
        assert_eq!(rows(&chosen).len(), 1);
    }
});
