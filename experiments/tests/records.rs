//! The committed results.

use std::{fs, path::Path};

use records::read_records;
use serde_json::Value;

#[test]
fn every_committed_record_is_read_without_loss_and_has_the_hash_of_its_configuration() {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results");
    let suites = fs::read_dir(results).unwrap().map(|entry| entry.unwrap().path());
    let mut count = 0;
    for suite in suites.filter(|path| path.join("runs").is_dir()) {
        let (records, unreadable) = read_records(&suite).unwrap();
        assert_eq!(unreadable, []);
        let mut files: Vec<_> = fs::read_dir(suite.join("runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert_eq!(files.len(), records.len());
        for (record, file) in records.iter().zip(&files) {
            assert_eq!(record.config.hash(), record.config_hash, "{}", file.display());
            let value: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
            assert_eq!(serde_json::to_value(record).unwrap(), value, "{}", file.display());
        }
        count += records.len();
    }
    assert!(count > 0);
}
