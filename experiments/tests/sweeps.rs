//! Whole sweeps over real images, on a tiny budget.

mod common;

use std::fs;

use common::{FC, GAP, PIXEL, brand, experiments, files, records, stderr, stdout, tiny, weights};
use tempfile::TempDir;

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
    assert!(!one.join("checkpoints").exists());

    assert_eq!(fs::read_to_string(&files(&one)[FC]).unwrap().lines().count(), 1, "a record is one line");
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

    // The tables are made from the records alone.
    fs::remove_file(one.join("summary.csv")).unwrap();
    assert_eq!(stdout(experiments(&["report"]).arg(&one)), table);
    assert_eq!(fs::read_to_string(one.join("summary.csv")).unwrap(), csv);
}

#[test]
fn an_interrupted_sweep_goes_on_and_a_finished_one_is_trained_anew() {
    let out = TempDir::new().unwrap();
    let suite = out.path().join("heads");
    // One shard of two leaves the plan incomplete, as an interruption would.
    stdout(&mut tiny(out.path(), &["--seeds", "1", "--shard", "1/2"]));
    assert!(suite.join("checkpoints").exists());
    assert_eq!(records(&suite).into_keys().collect::<Vec<_>>(), [FC]);

    brand(&suite, FC);
    let message = stderr(&mut tiny(out.path(), &["--seeds", "1"]), 0);
    assert!(message.contains("resuming an interrupted sweep: 1 of 2 runs are finished, 1 to train"), "{message}");
    assert_eq!(records(&suite).len(), 2);
    assert_eq!(records(&suite)[FC]["weights_sha256"], "branded");
    assert!(!suite.join("checkpoints").exists());

    stdout(&mut tiny(out.path(), &["--seeds", "1"]));
    assert_ne!(records(&suite)[FC]["weights_sha256"], "branded");
}

#[test]
fn an_interrupted_sweep_starts_over_if_told_to_and_says_how_many_records_are_replaced() {
    let out = TempDir::new().unwrap();
    let suite = out.path().join("heads");
    stdout(&mut tiny(out.path(), &["--seeds", "1", "--shard", "1/2"]));
    brand(&suite, FC);
    let message = stderr(&mut tiny(out.path(), &["--seeds", "1", "--shard", "1/2", "--fresh"]), 0);
    assert!(message.contains("1 of the 2 runs have a record of an earlier sweep, which is replaced"), "{message}");
    assert_ne!(records(&suite)[FC]["weights_sha256"], "branded");
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
fn extending_by_another_configuration_keeps_the_old_records_and_shows_the_new_ones() {
    let out = TempDir::new().unwrap();
    stdout(&mut tiny(out.path(), &["--seeds", "2"]));
    let table = stdout(&mut tiny(out.path(), &["--seeds", "1", "--lr", "0.02", "--extend"]));
    assert!(table.contains("two-conv on mnist-mini: 1 seed"), "{table}");
    assert_eq!(fs::read_dir(out.path().join("heads/runs")).unwrap().count(), 6);
}

#[test]
fn tuning_chooses_a_rate_per_variant_and_trains_with_it() {
    let out = TempDir::new().unwrap();
    let path = out.path().join("mine.toml");
    let suite = include_str!("../suites/heads.toml");
    let grid = suite.lines().find(|line| line.starts_with("lr_grid")).unwrap();
    // At the first rate nothing is learned. The second is an end of the grid, so that a lower one is tried, too.
    fs::write(&path, suite.replace(grid, "lr_grid = [10.0, 0.01]")).unwrap();
    let options = ["--heads", "fc", "--models", "two-conv", "--train-size", "500", "--epochs", "1", "--seeds", "1"];
    let mut run = experiments(&["run", "--tune"]);
    run.arg(&path).args(options).arg("--out").arg(out.path());
    let message = stderr(&mut run, 0);
    assert!(
        message.contains("two-conv fc: 0.003 ") && message.contains(", *0.01 ") && message.contains(", 10 "),
        "{message}"
    );
    let folder = out.path().join("mine");
    let trials = fs::read_to_string(folder.join("tuning.csv")).unwrap();
    assert_eq!(trials.lines().count(), 4);
    assert!(trials.lines().nth(2).unwrap().ends_with(",yes"), "{trials}");
    assert_eq!(records(&folder)[FC]["config"]["lr"], 0.01);

    fs::write(&path, suite.replace(grid, "")).unwrap();
    let message = stderr(experiments(&["run", "--tune"]).arg(&path).arg("--out").arg(out.path()), 2);
    assert!(message.contains("lr_grid"), "{message}");
}

#[test]
fn shards_are_merged_by_the_report() {
    let out = TempDir::new().unwrap();
    for (shard, folder) in [("1/2", "a"), ("2/2", "b")] {
        stdout(&mut tiny(&out.path().join(folder), &["--seeds", "1", "--shard", shard]));
    }
    let table = stdout(experiments(&["report"]).arg(out.path()));
    assert!(table.contains("\nfc  ") && table.contains("\ngap  "), "{table}");
    assert_eq!(fs::read_to_string(out.path().join("heads/summary.csv")).unwrap().lines().count(), 3);
}

#[test]
fn a_dry_run_shows_the_plan_and_writes_nothing() {
    let out = TempDir::new().unwrap();
    let plan = stdout(&mut tiny(out.path(), &["--dry-run"]));
    assert!(
        plan.starts_with("20 runs, into ") && plan.contains("mnist-mini two-conv gap seed 2: 1 epoch of 256"),
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
    assert!(plan.starts_with("121 runs, into results/heads\n"), "{plan}");
}

#[test]
fn another_data_set_gives_the_folder_of_results_its_name() {
    let here = TempDir::new().unwrap();
    for class in ["train/a", "train/b", "test/a", "test/b"] {
        let folder = here.path().join("data/shop").join(class);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("1.png"), PIXEL).unwrap();
    }
    let run = ["run", "--dry-run", "--models", "two-conv", "--dataset", "data/shop"];
    let plan = stdout(experiments(&run).current_dir(here.path()));
    assert!(plan.lines().next().unwrap().ends_with("into results/heads-shop-custom"), "{plan}");
}
