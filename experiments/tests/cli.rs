//! The program as it is used: real images, a tiny budget.

use std::{collections::BTreeMap, fs, path::Path};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

fn experiments(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_experiments"));
    command.args(arguments);
    command
}

/// `run heads` of two heads over 256 images, with more options.
fn tiny(out: &Path, more: &[&str]) -> Command {
    let mut command =
        experiments(&["run", "heads", "--heads", "fc,gap", "--models", "two-conv", "--train-size", "256"]);
    command.args(["--epochs", "1", "--out"]).arg(out).args(more);
    command
}

fn stdout(command: &mut Command) -> String {
    String::from_utf8(command.assert().success().get_output().stdout.clone()).unwrap()
}

fn stderr(command: &mut Command, code: i32) -> String {
    let assert = command.assert().code(code);
    let stderr = String::from_utf8(assert.get_output().stderr.clone()).unwrap();
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}

fn json(command: &mut Command) -> Value {
    serde_json::from_str(&stdout(command)).unwrap()
}

/// The records of a suite's folder by their file's name.
fn records(suite: &Path) -> BTreeMap<String, Value> {
    let entries = fs::read_dir(suite.join("runs")).unwrap().map(Result::unwrap);
    let record = |path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    entries.map(|entry| (entry.file_name().into_string().unwrap(), record(entry.path()))).collect()
}

fn weights(suite: &Path) -> Vec<String> {
    records(suite).values().map(|record| record["weights_sha256"].to_string()).collect()
}

/// Changes a record so that it shows whether it was trained again.
fn brand(suite: &Path, file: &str) {
    let path = suite.join("runs").join(file);
    let mut record: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    record["weights_sha256"] = "branded".into();
    fs::write(path, record.to_string()).unwrap();
}

const FC: &str = "mnist-mini.two-conv.fc.seed0.json";
const GAP: &str = "mnist-mini.two-conv.gap.seed0.json";

#[test]
fn a_run_writes_records_table_and_page_and_the_threads_change_no_weight() {
    let [one, two] = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let table = stdout(&mut tiny(one.path(), &["--seeds", "1", "--threads", "1"]));
    assert!(table.contains("two-conv on mnist-mini: 1 seed") && table.contains("16,010"), "{table}");
    let quiet = tiny(two.path(), &["--seeds", "1", "--threads", "2", "--quiet"]).assert().success();
    assert!(quiet.get_output().stderr.is_empty());

    let (one, two) = (one.path().join("heads"), two.path().join("heads"));
    assert_eq!(weights(&one), weights(&two));
    assert_ne!(weights(&one)[0], weights(&one)[1]);
    assert!(!one.join(".unfinished.json").exists());

    let record = &records(&one)[FC];
    assert_eq!(record["config"]["head"], "fc");
    assert_eq!(record["config"]["train_size"], 256);
    assert_eq!((&record["status"], &record["param_count"]), (&"ok".into(), &34_826.into()));
    assert_eq!(record["test_hits"].as_str().unwrap().len(), 500);
    let hits: u32 = record["test_hits"].as_str().unwrap().chars().map(|c| c.to_digit(16).unwrap().count_ones()).sum();
    assert_eq!(record["final"]["top1"], f64::from(hits) / 2000.);
    assert!(record["curve"][0]["val_top1"].is_f64() && record["speed"]["latency_us"]["median"].is_f64());

    let csv = fs::read_to_string(one.join("summary.csv")).unwrap();
    let mut lines = csv.lines();
    assert!(
        lines.next().unwrap().starts_with("dataset,model,head,seeds,param_count,head_param_count,macs,top1,top1_sd,")
    );
    assert!(lines.next().unwrap().starts_with("mnist-mini,two-conv,fc,1,34826,16010,"));
    assert!(fs::read_to_string(one.join("README.md")).unwrap().contains("--train-size 256"));

    // The tables are made of the records alone.
    fs::remove_file(one.join("summary.csv")).unwrap();
    assert_eq!(stdout(experiments(&["report"]).arg(&one)), table);
    assert_eq!(fs::read_to_string(one.join("summary.csv")).unwrap(), csv);
}

#[test]
fn an_interrupted_sweep_goes_on_and_a_finished_one_is_trained_anew() {
    let out = TempDir::new().unwrap();
    let suite = out.path().join("heads");
    // One shard of two leaves the marker, as an interruption would.
    stdout(&mut tiny(out.path(), &["--seeds", "1", "--shard", "1/2"]));
    assert!(suite.join(".unfinished.json").exists());
    assert_eq!(records(&suite).into_keys().collect::<Vec<_>>(), [FC]);

    brand(&suite, FC);
    let message = stderr(&mut tiny(out.path(), &["--seeds", "1"]), 0);
    assert!(message.contains("going on with an interrupted sweep: 1 of 2 runs are there, 1 to train"), "{message}");
    assert_eq!(records(&suite).len(), 2);
    assert_eq!(records(&suite)[FC]["weights_sha256"], "branded");
    assert!(!suite.join(".unfinished.json").exists());

    stdout(&mut tiny(out.path(), &["--seeds", "1"]));
    assert_ne!(records(&suite)[FC]["weights_sha256"], "branded");
    assert!(!suite.join("runs.previous").exists());
}

#[test]
fn an_interrupted_sweep_starts_over_if_told_to_or_if_the_plan_is_another() {
    let out = TempDir::new().unwrap();
    let suite = out.path().join("heads");
    for more in
        [&["--seeds", "1", "--shard", "1/2", "--fresh"][..], &["--seeds", "1", "--shard", "1/2", "--lr", "0.001"]]
    {
        stdout(&mut tiny(out.path(), &["--seeds", "1", "--shard", "1/2"]));
        brand(&suite, FC);
        stdout(&mut tiny(out.path(), more));
        assert_ne!(records(&suite)[FC]["weights_sha256"], "branded", "{more:?}");
    }
}

#[test]
fn extending_trains_only_what_is_missing() {
    let out = TempDir::new().unwrap();
    let suite = out.path().join("heads");
    stdout(&mut tiny(out.path(), &["--seeds", "1"]));
    brand(&suite, FC);
    brand(&suite, GAP);
    let table = stdout(&mut tiny(out.path(), &["--seeds", "2", "--extend"]));
    assert!(table.contains("2 seeds") && table.contains(" ± "), "{table}");
    let records = records(&suite);
    let branded = records.values().filter(|record| record["weights_sha256"] == "branded").count();
    assert_eq!((records.len(), branded), (4, 2));
}

#[test]
fn shards_are_merged_by_the_report() {
    let out = TempDir::new().unwrap();
    for (shard, folder) in [("1/2", "a"), ("2/2", "b")] {
        stdout(&mut tiny(&out.path().join(folder), &["--seeds", "1", "--shard", shard]));
    }
    let table = stdout(experiments(&["report"]).arg(out.path()));
    assert!(table.contains("│ fc ") && table.contains("│ gap "), "{table}");
    assert_eq!(fs::read_to_string(out.path().join("heads/summary.csv")).unwrap().lines().count(), 3);
}

#[test]
fn a_dry_run_shows_the_plan_and_writes_nothing() {
    let out = TempDir::new().unwrap();
    let plan = stdout(&mut tiny(out.path(), &["--dry-run"]));
    assert!(
        plan.starts_with("6 runs, into ") && plan.contains("mnist-mini two-conv gap seed 2: 1 epochs of 256"),
        "{plan}"
    );
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
}

#[test]
fn options_that_change_a_suite_lead_to_a_folder_of_their_own() {
    let here = TempDir::new().unwrap();
    let plan = stdout(experiments(&["run", "heads", "--seeds", "1", "--dry-run"]).current_dir(here.path()));
    assert!(plan.lines().next().unwrap().ends_with("into results/heads-custom"), "{plan}");
    let plan = stdout(experiments(&["run", "--dry-run"]).current_dir(here.path()));
    assert!(plan.starts_with("48 runs, into results/heads\n"), "{plan}");
}

#[test]
fn senseless_options_exit_with_2_and_say_what_is_possible() {
    for (arguments, answer) in [
        (&["run", "--epochs", "0"][..], "1 or more"),
        (&["run", "--seeds", "0"], "1 or more"),
        (&["run", "--threads", "0"], "1 or more"),
        (&["run", "--batch-size", "0"], "1 or more"),
        (&["run", "--lr", "-1"], "--lr"),
        (&["run", "--lr=0"], "above 0"),
        (&["run", "--lr=nan"], "above 0"),
        (&["run", "--shard", "3/2"], "1 ≤ I ≤ N"),
        (&["run", "--heads", "fcc"], "gmp"),
        (&["run", "--models", "lenet"], "lenet5"),
        (&["run", "--models", "nin@0"], "positive"),
        (&["run", "--dataset", "minst"], "fashion-mnist"),
        (&["run", "head"], "heads"),
        (&["run", "--device", "tpu"], "cuda"),
        (&["run", "--device", "cuda", "--dry-run"], "--features cuda"),
        (&["run", "--train-size", "10000", "--dry-run"], "1 to 9000"),
        (&["run", "--extend", "--fresh"], "cannot be used with"),
        (&["summary", "two-conv", "--input", "28x28"], "1x28x28"),
        (&["summary", "two-conv", "--input", "1x4x4"], "two-conv"),
        (&["list", "model"], "models"),
        (&["frobnicate"], "--help"),
    ] {
        let message = stderr(&mut experiments(arguments), 2);
        assert!(message.contains(answer), "{arguments:?}: {message}");
    }
}

#[test]
fn a_suite_file_with_a_mistake_exits_with_2_and_names_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mine.toml");
    let suite = include_str!("../suites/heads.toml");
    fs::write(&path, suite.replace("head = \"gap\"", "head = \"gapp\"")).unwrap();
    let message = stderr(experiments(&["run", "--dry-run"]).arg(&path), 2);
    assert!(message.contains("mine.toml") && message.contains("gapp"), "{message}");
    fs::write(&path, suite).unwrap();
    assert!(stdout(experiments(&["run", "--dry-run"]).arg(&path)).contains("results/mine\n"));
}

#[test]
fn an_input_too_small_for_a_network_exits_with_2_before_anything_trains() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("small.toml");
    let suite = include_str!("../suites/heads.toml").replace("seeds = 3", "seeds = 3\ninput = \"1x4x4\"");
    fs::write(&path, suite.replace("validation = 1000", "validation = 0")).unwrap();
    let images = folder.path().join("images");
    for class in ["train/a", "train/b", "test/a", "test/b"] {
        fs::create_dir_all(images.join(class)).unwrap();
        fs::write(images.join(class).join("1.png"), PIXEL).unwrap();
    }
    let message =
        stderr(experiments(&["run"]).arg(&path).arg("--dataset").arg(&images).arg("--out").arg(folder.path()), 2);
    assert!(message.contains("two-conv"), "{message}");
    assert!(!folder.path().join("small").exists());
}

#[test]
fn a_broken_data_set_exits_with_1_and_names_the_file() {
    let folder = TempDir::new().unwrap();
    let data_dir = folder.path().to_str().unwrap();
    let run = |more: &[&str]| stderr(experiments(&["run", "--out", data_dir]).args(more), 1);
    assert!(run(&["--dataset", "mnist"]).contains("--data-dir"));
    assert!(run(&["--dataset", "mnist", "--data-dir", data_dir]).contains("train-images"));
    // The header promises four thousand million images.
    let images = [0, 0, 8, 3, 255, 255, 255, 255, 0, 0, 0, 28, 0, 0, 0, 28];
    for split in ["train", "t10k"] {
        fs::write(folder.path().join(format!("{split}-images-idx3-ubyte")), images).unwrap();
        fs::write(folder.path().join(format!("{split}-labels-idx1-ubyte")), [0, 0, 8, 1, 0, 0, 0, 1, 7]).unwrap();
    }
    assert!(run(&["--dataset", "mnist", "--data-dir", data_dir]).contains("train-images-idx3-ubyte"));
    assert!(run(&["--dataset", "no/such/folder"]).contains("no/such/folder"));
    assert!(stderr(&mut experiments(&["report", data_dir]), 1).contains("no records"));
}

#[test]
fn the_summary_has_the_published_counts() {
    let summary = ["summary", "lenet5", "--head", "fc:120,84", "--input", "1x28x28", "--classes", "10", "--json"];
    let lenet = json(&mut experiments(&summary));
    assert_eq!(lenet["trainable_params"], 61_706);
    let resnet = json(&mut experiments(&["summary", "resnet8", "--json"]));
    assert_eq!((&resnet["trainable_params"], &resnet["params"]), (&78_186.into(), &78_666.into()));
    assert_eq!(resnet["macs"], 12_501_632);
    assert!(stdout(&mut experiments(&["summary", "two-conv"])).contains("34,826"));
}

#[test]
fn lists_name_everything_there_is() {
    let all = json(&mut experiments(&["list", "--json"]));
    for (kind, name) in [("models", "two-conv"), ("heads", "gem-fc"), ("datasets", "mnist-mini"), ("suites", "heads")] {
        assert!(all[kind].as_array().unwrap().iter().any(|entry| entry["name"] == name), "{kind}");
        assert_eq!(json(&mut experiments(&["list", kind, "--json"])), all[kind]);
        assert!(stdout(&mut experiments(&["list", kind])).contains(name));
    }
}

#[test]
fn data_counts_and_draws_the_images() {
    let folder = TempDir::new().unwrap();
    let grid = folder.path().join("grid.png");
    let data = json(experiments(&["data", "mnist-mini", "--json", "--grid"]).arg(&grid));
    assert_eq!((&data["train"]["images"], &data["test"]["images"]), (&10_000.into(), &2_000.into()));
    assert_eq!(data["files"].as_array().unwrap().len(), 4);
    assert!(fs::read(grid).unwrap().starts_with(b"\x89PNG"));
    assert!(stdout(&mut experiments(&["data", "mnist-mini"])).contains("10 classes, images of 1x28x28"));
}

/// A grey PNG of one pixel.
const PIXEL: &[u8] = &[
    0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0, 0, 1, 8, 0,
    0, 0, 0, 0x3a, 0x7e, 0x9b, 0x55, 0, 0, 0, 10, b'I', b'D', b'A', b'T', 0x78, 0x9c, 0x63, 0x60, 0, 0, 0, 2, 0, 1,
    0x48, 0xaf, 0xa4, 0x71, 0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xae, 0x42, 0x60, 0x82,
];
