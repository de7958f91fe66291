//! Input that is wrong on purpose: suites, data sets and records that no one should believe or wait for.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use assert_cmd::Command;
use common::{PIXEL, experiments, stderr, stdout, tiny};
use serde_json::Value;
use tempfile::TempDir;

/// Runs a command that must not wait for anything.
fn at_once(arguments: &[&str]) -> Command {
    let mut command = experiments(arguments);
    command.timeout(Duration::from_secs(60));
    command
}

fn folder_of_images(parent: &Path, classes: &[&str]) -> PathBuf {
    let images = parent.join("images");
    for class in classes {
        fs::create_dir_all(images.join(class)).unwrap();
        fs::write(images.join(class).join("1.png"), PIXEL).unwrap();
    }
    images
}

#[test]
fn a_folder_of_data_beside_a_data_set_that_needs_none_is_a_mistake() {
    let folder = TempDir::new().unwrap();
    let images = folder_of_images(folder.path(), &["train/a", "train/b", "test/a", "test/b"]);
    let images = images.to_str().unwrap();
    for arguments in [
        &["run", "--dry-run", "--data-dir", "/tmp"][..],
        &["data", "mnist-mini", "--data-dir", "/tmp"],
        &["data", images, "--data-dir", "/tmp"],
        &["run", "--models", "two-conv", "--dataset", images, "--dry-run", "--data-dir", "/tmp"],
    ] {
        let message = stderr(&mut at_once(arguments), 2);
        assert!(message.contains("--data-dir /tmp is only for"), "{message}");
    }
}

#[test]
fn one_class_is_refused_and_a_class_without_test_images_is_remarked() {
    let folder = TempDir::new().unwrap();
    let run = |images: &Path, code| {
        let arguments = ["run", "--models", "two-conv", "--dry-run", "--dataset", images.to_str().unwrap()];
        stderr(&mut at_once(&arguments), code)
    };
    let images = folder_of_images(folder.path(), &["train/a", "test/a"]);
    let message = run(&images, 2);
    assert!(message.contains("has one class only, a; at least two are needed"), "{message}");
    folder_of_images(folder.path(), &["train/b"]);
    let message = run(&images, 0);
    assert!(message.contains("the class b has no test images"), "{message}");
    folder_of_images(folder.path(), &["train/c"]);
    let table = stdout(at_once(&["data"]).arg(&images));
    assert!(table.contains("the classes b, c have no test images"), "{table}");
}

#[test]
fn a_value_that_a_suite_gives_twice_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mine.toml");
    let suite = include_str!("../suites/heads.toml");
    for (from, to, answer) in [
        ("epochs = 8", "epochs = 8\ninputs = [28, 32, 28]", "28 occurs twice in `inputs`"),
        ("epochs = 8", "epochs = 8\ntrain_sizes = [100, 100]", "100 occurs twice in `train_sizes`"),
        ("lr_grid = [0.001,", "lr_grid = [0.003,", "0.003 occurs twice in `lr_grid`"),
        (
            "dataset = \"mnist-mini\"",
            "datasets = [\"mnist-mini\", \"mnist-mini\"]",
            "mnist-mini occurs twice in `datasets`",
        ),
        ("dataset = \"mnist-mini\"", "datasets = [\"a/shop\", \"b/shop\"]", "shop occurs twice in `datasets`"),
    ] {
        assert!(suite.contains(from), "{from}");
        fs::write(&path, suite.replacen(from, to, 1)).unwrap();
        let message = stderr(at_once(&["run", "--dry-run"]).arg(&path), 2);
        assert!(message.contains(answer), "{message}");
    }
}

#[cfg(unix)]
#[test]
fn devices_and_pipes_are_not_read() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mine.toml");
    let suite = include_str!("../suites/heads.toml");
    fs::write(&path, suite.replacen("epochs = 8", "epochs = 8\nrates = \"/dev/zero\"", 1)).unwrap();
    let message = stderr(at_once(&["run", "--dry-run"]).arg(&path), 2);
    assert!(message.contains("/dev/zero") && message.contains("a pipe or device"), "{message}");
    let pipe = folder.path().join("pipe.toml");
    make_pipe(&pipe);
    let message = stderr(at_once(&["run", "--dry-run"]).arg(&pipe), 2);
    assert!(message.contains("pipe.toml") && message.contains("a pipe or device"), "{message}");
}

fn make_pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_learning_rate_that_looks_like_an_option_is_answered_with_what_is_possible() {
    for rate in ["-inf", "-nan", "-1e400", "-x"] {
        let message = stderr(&mut at_once(&["run", "--lr", rate]), 2);
        assert!(message.contains("must be a number above 0"), "{message}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn names_of_classes_are_printed_without_line_breaks_and_escapes() {
    let folder = TempDir::new().unwrap();
    let (odd, odd_test) = ("train/a\n\u{1b}[31m", "test/a\n\u{1b}[31m");
    let images = folder_of_images(folder.path(), &[odd, odd_test, "train/b"]);
    let table = stdout(at_once(&["data"]).arg(&images));
    assert!(table.contains(r"a\n\u{1b}[31m ") && !table.contains('\u{1b}'), "{table}");
}

/// Copies three records of a committed suite into `folder/heads`.
fn some_results(folder: &Path) -> PathBuf {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/heads/runs");
    let heads = folder.join("heads");
    fs::create_dir_all(heads.join("runs")).unwrap();
    let mut files: Vec<PathBuf> = fs::read_dir(committed).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().take(3) {
        fs::copy(file, heads.join("runs").join(file.file_name().unwrap())).unwrap();
    }
    heads
}

#[test]
fn a_report_names_the_records_that_cannot_be_believed_and_writes_only_into_its_folder() {
    let folder = TempDir::new().unwrap();
    let results = folder.path().join("one/two/results");
    let heads = some_results(&results);
    let runs = heads.join("runs");
    let first = fs::read_dir(&runs).unwrap().next().unwrap().unwrap().path();
    let record: Value = serde_json::from_slice(&fs::read(first).unwrap()).unwrap();
    let change = |file: &str, change: &dyn Fn(&mut Value)| {
        let mut record = record.clone();
        change(&mut record);
        fs::write(runs.join(file), record.to_string()).unwrap();
    };
    change("a.json", &|record| record["suite"]["name"] = "../../escaped".into());
    change("b.json", &|record| record["final"]["top1"] = 500.into());
    change("c.json", &|record| record["speed"]["latency_us"]["spread"] = 1e308.into());
    fs::create_dir(runs.join("d.json")).unwrap();
    let mut expected = vec!["suite.name", "final.top1 is 500", "speed.latency_us.spread", "d.json: this is a folder"];
    if cfg!(unix) {
        make_pipe(&runs.join("e.json"));
        expected.push("e.json: this is a pipe");
    }
    let message = stderr(at_once(&["report"]).arg(&results), 0);
    for part in expected {
        assert!(message.contains(part), "{message} does not contain {part}");
    }
    let page = fs::read_to_string(heads.join("README.md")).unwrap();
    assert!(page.contains("final.top1 is 500"), "{page}");
    let entries = |path: &Path| fs::read_dir(path).unwrap().count();
    // The suite, the pages README.md, report.html and leaderboard.html, and leaderboard.csv.
    assert_eq!([entries(folder.path()), entries(&folder.path().join("one")), entries(&results)], [1, 1, 5]);
}

#[test]
fn a_broken_suite_next_to_others_does_not_keep_them_from_being_rendered() {
    let folder = TempDir::new().unwrap();
    let heads = some_results(folder.path());
    let broken = folder.path().join("broken");
    fs::create_dir_all(broken.join("runs")).unwrap();
    for file in fs::read_dir(heads.join("runs")).unwrap().map(|entry| entry.unwrap().path()) {
        let mut record: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        record["suite"]["name"] = "broken".into();
        fs::write(broken.join("runs").join(file.file_name().unwrap()), record.to_string()).unwrap();
    }
    fs::write(broken.join("suite.toml"), "question = [").unwrap();
    let message = stderr(at_once(&["report"]).arg(folder.path()), 1);
    assert!(message.contains("could not be rendered: broken") && message.contains("suite.toml"), "{message}");
    assert!(heads.join("README.md").is_file());
    let index = fs::read_to_string(folder.path().join("README.md")).unwrap();
    assert!(index.contains("heads/README.md") && !index.contains("broken"), "{index}");
    // A run of one's own succeeds.
    let message = stderr(&mut tiny(folder.path(), &["--seeds", "1"]), 0);
    assert!(message.contains("broken is left out of README.md"), "{message}");
}
