//! Several plans in one folder: no record of another plan is ever deleted, replaced or shown.

mod common;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use common::{experiments, stderr, stdout};
use tempfile::TempDir;

/// `run heads` with one head, one seed and 64 images.
fn small(out: &Path, more: &[&str]) -> assert_cmd::Command {
    let mut command = experiments(&["run", "heads", "--models", "two-conv", "--train-size", "64", "--epochs", "1"]);
    command.args(more).arg("--out").arg(out);
    command
}

const FC: [&str; 4] = ["--heads", "fc", "--seeds", "1"];

/// The contents of all files in the folder of records.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(folder.join("runs")).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn read(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).unwrap()
}

#[test]
fn another_plan_leaves_the_records_of_the_first_and_the_page_names_them() {
    let out = TempDir::new().unwrap();
    let folder = out.path().join("heads");
    stdout(&mut small(out.path(), &FC));
    fs::write(folder.join("runs/notes.txt"), "mine").unwrap();
    let before = files(&folder);

    for (more, action) in [(&["--lr", "0.02"][..], "replaces"), (&["--lr", "0.03", "--extend"], "extends")] {
        let message = stderr(&mut small(out.path(), &[&FC[..], more].concat()), 0);
        assert!(message.contains("Left out: mnist-mini two-conv fc: 1 record of another plan"), "{action}: {message}");
        let after = files(&folder);
        assert!(before.iter().all(|(path, text)| after.get(path) == Some(text)), "{action} the first plan");
        // The page of the last plan is shown again from the records.
        let page = read(&folder, "README.md");
        assert!(page.contains(&format!("lr {}", more[1])) || page.contains(more[1]), "{page}");
        assert!(page.contains("of another plan"), "{page}");
        stdout(experiments(&["report"]).arg(&folder));
        assert_eq!(read(&folder, "README.md"), page);
        assert!(read(&folder, "summary.csv").lines().nth(1).unwrap().contains(&format!(",64x5x5,{},", more[1])));
    }
    assert_eq!(files(&folder).len(), 4);

    // The first plan starts over: only its own record is replaced.
    let before = files(&folder);
    let message = stderr(&mut small(out.path(), &[&FC[..], &["--fresh"]].concat()), 0);
    assert!(message.contains("1 of the 1 runs have a record of an earlier sweep, which is replaced"), "{message}");
    let after = files(&folder);
    let changed: Vec<_> = before.iter().filter(|(path, text)| after.get(*path) != Some(text)).collect();
    assert_eq!((changed.len(), after.len()), (1, 4));
}

#[test]
fn a_suite_file_of_ones_own_does_not_write_into_the_results_of_a_suite_of_that_name() {
    let here = TempDir::new().unwrap();
    let suite = include_str!("../suites/heads.toml");
    fs::write(here.path().join("heads.toml"), suite.replace("epochs = 8", "epochs = 1")).unwrap();
    let plan = |file: &str| stdout(experiments(&["run", file, "--dry-run"]).current_dir(here.path()));
    assert!(plan("heads.toml").lines().next().unwrap().ends_with(" into results/heads-custom"));
    assert!(plan("heads").lines().next().unwrap().ends_with(" into results/heads"));
}

#[test]
fn a_shard_without_runs_does_nothing_and_a_page_of_some_runs_says_so() {
    let out = TempDir::new().unwrap();
    let folder = out.path().join("heads");
    let two = ["--heads", "fc,gap", "--seeds", "1"];
    let table = stdout(&mut small(out.path(), &[&two[..], &["--shard", "1/2"]].concat()));
    assert!(table.contains("Incomplete: 1 of 2 runs are finished"), "{table}");
    assert!(read(&folder, "README.md").contains("**Incomplete: 1 of 2 runs are finished."));
    let before = files(&folder);
    let message = stderr(&mut small(out.path(), &[&two[..], &["--shard", "50/100"]].concat()), 0);
    assert!(message.contains("the plan has 2 runs, and none of them belongs to shard 50/100"), "{message}");
    assert_eq!(files(&folder), before);
    let table = stdout(&mut small(out.path(), &[&two[..], &["--shard", "2/2"]].concat()));
    assert!(!table.contains("Incomplete") && !read(&folder, "README.md").contains("Incomplete"), "{table}");
}

#[test]
fn tuning_another_head_keeps_the_lines_of_the_first() {
    let out = TempDir::new().unwrap();
    let path = out.path().join("mine.toml");
    let suite = include_str!("../suites/heads.toml");
    let grid = suite.lines().find(|line| line.starts_with("lr_grid")).unwrap();
    let suite = suite.replace(grid, "lr_grid = [0.01]").replace("tuning_seeds = 5", "tuning_seeds = 1");
    fs::write(&path, suite).unwrap();
    for heads in ["fc", "gap"] {
        let options = ["--models", "two-conv", "--train-size", "64", "--epochs", "1", "--seeds", "1", "--extend"];
        let mut run = experiments(&["run", "--tune", "--heads", heads]);
        stdout(run.arg(&path).args(options).arg("--out").arg(out.path()));
    }
    let lines = read(&out.path().join("mine"), "tuning.csv");
    assert!(lines.contains("two-conv,gap,0.01") && lines.contains("two-conv,fc,0.01"), "{lines}");
    fs::write(out.path().join("mine/tuning.csv"), "my notes").unwrap();
    let mut run = experiments(&["run", "--tune", "--heads", "fc", "--models", "two-conv", "--train-size", "64"]);
    let message = stderr(run.arg(&path).arg("--out").arg(out.path()), 1);
    assert!(message.contains("tuning.csv is not a table of trials"), "{message}");
    assert_eq!(read(&out.path().join("mine"), "tuning.csv"), "my notes");
}

#[test]
fn names_too_long_for_a_file_are_shortened_and_a_sweep_that_only_diverges_fails() {
    let out = TempDir::new().unwrap();
    let deep = format!("fc:{}", ["2"; 130].join(","));
    stdout(&mut small(out.path(), &["--heads", &deep, "--seeds", "1"]));
    let tiny = ["run", "heads", "--models", "two-conv@1e-300", "--heads", "gap", "--train-size", "64", "--epochs", "1"];
    stdout(experiments(&tiny).args(["--seeds", "1", "--out"]).arg(out.path()));
    assert_eq!(files(&out.path().join("heads")).len(), 2);

    let diverging = ["run", "heads", "--models", "two-conv", "--train-size", "256", "--epochs", "2", "--lr", "1e30"];
    let message = stderr(experiments(&diverging).args(FC).arg("--out").arg(out.path()), 1);
    assert!(message.contains("all 1 runs diverged") && message.contains("--lr"), "{message}");
}
