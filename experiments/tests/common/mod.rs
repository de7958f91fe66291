//! Runs the program and reads what it wrote.

#![allow(dead_code)] // Each test file uses a part of it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use assert_cmd::Command;
use serde_json::Value;

pub fn experiments(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_experiments"));
    command.args(arguments);
    command
}

/// `run heads` with two heads and 256 images, and more options.
pub fn tiny(out: &Path, more: &[&str]) -> Command {
    let mut command =
        experiments(&["run", "heads", "--heads", "fc,gap", "--models", "two-conv", "--train-size", "256"]);
    command.args(["--epochs", "1", "--out"]).arg(out).args(more);
    command
}

pub fn stdout(command: &mut Command) -> String {
    String::from_utf8(command.assert().success().get_output().stdout.clone()).unwrap()
}

pub fn stderr(command: &mut Command, code: i32) -> String {
    let assert = command.assert().code(code);
    let stderr = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}

pub fn json(command: &mut Command) -> Value {
    serde_json::from_str(&stdout(command)).unwrap()
}

/// The files of a suite's records by name, without the configuration's hash.
pub fn files(suite: &Path) -> BTreeMap<String, PathBuf> {
    let paths = fs::read_dir(suite.join("runs")).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().rsplit_once('.').unwrap().0.to_string();
    paths.map(|path| (name(&path), path)).collect()
}

pub fn records(suite: &Path) -> BTreeMap<String, Value> {
    let record = |path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    files(suite).into_iter().map(|(name, path)| (name, record(path))).collect()
}

pub fn weights(suite: &Path) -> Vec<String> {
    records(suite).values().map(|record| record["weights_sha256"].to_string()).collect()
}

/// Changes a record so that it shows whether it was trained again.
pub fn brand(suite: &Path, file: &str) {
    let path = &files(suite)[file];
    let mut record: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    record["weights_sha256"] = "branded".into();
    fs::write(path, record.to_string()).unwrap();
}

pub const FC: &str = "mnist-mini.two-conv.fc.seed0";
pub const GAP: &str = "mnist-mini.two-conv.gap.seed0";

/// A grey PNG of one pixel.
pub const PIXEL: &[u8] = &[
    0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0, 0, 1, 8, 0,
    0, 0, 0, 0x3a, 0x7e, 0x9b, 0x55, 0, 0, 0, 10, b'I', b'D', b'A', b'T', 0x78, 0x9c, 0x63, 0x60, 0, 0, 0, 2, 0, 1,
    0x48, 0xaf, 0xa4, 0x71, 0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82,
];
