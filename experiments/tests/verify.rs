//! Recorded runs that are trained again.

mod common;

use std::{fs, path::Path};

use common::{FC, GAP, experiments, files, json, stderr, stdout, tiny};
use records::{Record, RunConfig};
use serde_json::Value;
use tempfile::TempDir;

/// Changes one value of a record.
fn tamper(suite: &Path, file: &str, pointer: &str, value: impl Into<Value>) {
    let path = &files(suite)[file];
    let mut record: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    *record.pointer_mut(pointer).unwrap() = value.into();
    fs::write(path, record.to_string()).unwrap();
}

fn value(suite: &Path, file: &str, pointer: &str) -> Value {
    let record: Value = serde_json::from_str(&fs::read_to_string(&files(suite)[file]).unwrap()).unwrap();
    record.pointer(pointer).unwrap().clone()
}

#[test]
fn records_are_verified_and_one_that_was_tampered_with_is_found() {
    let out = TempDir::new().unwrap();
    stdout(&mut tiny(out.path(), &["--seeds", "1", "--threads", "2"]));
    let suite = &out.path().join("heads");
    let verify = |more: &[&str]| {
        let mut command = experiments(&["verify"]);
        command.arg(suite).args(more);
        command
    };
    let before: Vec<_> = files(suite).into_values().map(|path| fs::read(path).unwrap()).collect();
    let table = stdout(&mut verify(&["--threads", "1"]));
    assert_eq!(table.matches("equal").count(), 2, "{table}");
    assert!(table.contains("two-conv gap, seed 0"), "{table}");
    assert_eq!(files(suite).into_values().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>(), before);

    // The weights of one record, and of the other two test images, so that its accuracy is still that of its hits.
    tamper(suite, FC, "/weights_sha256", "0123456789abcdef");
    let hits = value(suite, GAP, "/test_hits").as_str().unwrap().to_string();
    let mut images = records::bits(&hits, 4 * hits.len()).unwrap();
    let [hit, miss] = [true, false].map(|is_hit| images.iter().position(|&image| image == is_hit).unwrap());
    images.swap(hit, miss);
    tamper(suite, GAP, "/test_hits", records::hex_bits(&images));
    tamper(suite, GAP, "/cpu/instruction_set", "mmx");
    tamper(suite, GAP, "/versions/candle", "0.1.0");
    let message = stderr(&mut verify(&[]), 1);
    assert!(message.contains("2 of 2 runs differ") && message.contains("OPS_ISA=mmx"), "{message}");
    assert!(message.contains("made by experiments 0.1.0, candle 0.1.0, but"), "{message}");

    let output = verify(&["--json", "--runs", "all"]).assert().code(1).get_output().stdout.clone();
    let verification: Value = serde_json::from_slice(&output).unwrap();
    let [fc, gap] = verification["runs"].as_array().unwrap().as_slice() else { panic!("{verification}") };
    assert_eq!((&fc["head"], &fc["equal"]), (&"fc".into(), &false.into()));
    assert_eq!((&fc["recorded_weights_sha256"], &fc["differing_test_images"]), (&"0123456789abcdef".into(), &0.into()));
    assert_eq!((&gap["equal"], &gap["differing_test_images"]), (&false.into(), &2.into()));
    assert_eq!(
        (&gap["weights_sha256"], verification["environment"].as_array().unwrap().len()),
        (&gap["recorded_weights_sha256"], 2)
    );

    // Of one run, the record of the first variant is chosen.
    tamper(suite, FC, "/weights_sha256", fc["weights_sha256"].clone());
    assert_eq!(json(&mut verify(&["--json", "--runs", "1"]))["runs"].as_array().unwrap().len(), 1);

    // Without a plan, all records of the folder count.
    fs::remove_file(suite.join("plan.json")).unwrap();
    let record: Record = serde_json::from_str(&fs::read_to_string(&files(suite)[FC]).unwrap()).unwrap();
    let elsewhere = RunConfig { data_fingerprint: "0000000000000000".into(), ..record.config };
    tamper(suite, FC, "/config/data_fingerprint", "0000000000000000");
    tamper(suite, FC, "/config_hash", elsewhere.hash());
    let message = stderr(&mut verify(&["--runs", "1"]), 1);
    assert!(message.contains("0000000000000000") && message.contains("--data-dir"), "{message}");

    // A record that cannot be believed is no record that was verified.
    tamper(suite, FC, "/config/data_fingerprint", "1111111111111111");
    let message = stderr(&mut verify(&["--runs", "1"]), 1);
    assert!(message.contains("config_hash is"), "{message}");
    // No record of a plan of other runs.
    fs::write(suite.join("plan.json"), r#"{"hash":"0","seeds":{"0123456789abcdef":[0]}}"#).unwrap();
    let message = stderr(&mut verify(&[]), 1);
    assert!(message.contains("heads has no records that can be verified"), "{message}");
}

#[test]
fn what_cannot_be_verified_exits_with_2() {
    let empty = TempDir::new().unwrap();
    let message = stderr(experiments(&["verify"]).arg(empty.path()), 2);
    assert!(message.contains("results/heads"), "{message}");
    let message = stderr(experiments(&["verify", "--runs", "0"]).arg(empty.path()), 2);
    assert!(message.contains("`all`"), "{message}");
    stderr(&mut experiments(&["verify"]), 2);
}
