//! `bench`: its keys, its comparison with other programs and with an earlier run.

mod common;

use std::{fs, process};

use common::{experiments, json, stderr, stdout};
use serde_json::Value;
use tempfile::TempDir;

const BENCH: [&str; 9] = ["bench", "--models", "two-conv", "--heads", "gmp", "--batch-size", "8", "--rounds", "1"];

/// A peer that answers every request with the same speed.
const SNAIL: &str =
    r#"echo '{"name": "Snail", "version": "1"}'; while read -r l; do echo '{"samples_per_sec": 0.5}'; done"#;

#[test]
fn the_json_has_the_names_scripts_rely_on() {
    let speeds = json(experiments(&BENCH).arg("--json"));
    for key in ["train_samples_per_sec", "infer_samples_per_sec", "latency_us", "latency_p95_us"] {
        assert!(speeds[0][key].as_f64().unwrap() > 0., "{key}");
    }
    assert_eq!((&speeds[0]["train_batch_size"], &speeds[0]["model"]), (&8.into(), &"two-conv".into()));
    for task in ["train", "infer", "latency"] {
        let task = &speeds[0]["tasks"][task];
        for key in ["gflops", "gb_per_sec", "share"] {
            assert!(task[key].as_f64().unwrap() > 0., "{key}: {task}");
        }
        assert!(["product", "memory"].contains(&task["bound"].as_str().unwrap()), "{task}");
    }
    if cfg!(target_os = "linux") {
        assert!(speeds[0]["peak_rss_mb"].as_f64().unwrap() > 1.);
    }
}

#[test]
fn any_program_can_be_a_peer() {
    let out = TempDir::new().unwrap();
    let refusing = r#"echo '{"name": "Cat", "version": "9"}'; while read -r l; do echo '{"error": "no"}'; done"#;
    let table = stdout(experiments(&BENCH).args(["--peer", SNAIL, "--peer", refusing, "--out"]).arg(out.path()));
    assert!(table.contains("× the best peer") && table.contains("Snail") && !table.contains("Cat"), "{table}");
    let page = fs::read_to_string(out.path().join("bench/README.md")).unwrap();
    assert!(page.contains("× Snail 1") && page.contains("× Cat 9"), "{page}");
    let wrong = SNAIL.replace("0.5", "-1");
    let message = stderr(experiments(&BENCH).args(["--peer", &wrong]), 1);
    assert!(message.contains("answered a rate of -1"), "{message}");
    let message = stderr(experiments(&BENCH).args(["--peer", "true"]), 1);
    assert!(message.contains("`true` ended without an answer"), "{message}");
}

#[test]
fn an_earlier_run_of_this_machine_is_a_baseline_and_that_of_another_is_misuse() {
    let out = TempDir::new().unwrap();
    stdout(experiments(&BENCH).arg("--out").arg(out.path()));
    let file = out.path().join("bench/bench.json");
    let compared = json(experiments(&BENCH).args(["--json", "--baseline"]).arg(&file));
    let change = &compared[0]["tasks"]["train"]["baseline"];
    assert!(change["least"].as_f64() <= change["ratio"].as_f64() && change["slower"] == false, "{compared}");

    let mut record: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    record["cpu"]["model"] = "A CPU of 1996".into();
    fs::write(&file, record.to_string()).unwrap();
    let message = stderr(experiments(&BENCH).arg("--baseline").arg(&file), 2);
    assert!(message.contains("A CPU of 1996") && message.contains("same machine"), "{message}");
    let message = stderr(experiments(&BENCH).args(["--baseline", "gone.json"]), 1);
    assert!(message.contains("gone.json"), "{message}");
}

#[test]
fn a_file_of_an_earlier_version_is_rendered() {
    let out = TempDir::new().unwrap();
    stdout(experiments(&BENCH).args(["--peer", SNAIL, "--out"]).arg(out.path()));
    let file = out.path().join("bench/bench.json");
    let mut record: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    record.as_object_mut().unwrap().remove("no_energy");
    for measurement in record["measurements"].as_array_mut().unwrap() {
        for key in ["least_bytes", "bandwidth_gb_per_sec", "joules_per_image", "peak_rss_mb"] {
            measurement.as_object_mut().unwrap().remove(key).expect(key);
        }
    }
    fs::write(&file, record.to_string()).unwrap();
    stdout(experiments(&["report"]).arg(out.path()));
    let page = fs::read_to_string(out.path().join("bench/README.md")).unwrap();
    assert!(page.contains("× Snail 1") && page.contains("did not measure the limits"), "{page}");
}

#[test]
fn what_spoils_a_run_is_found_before_it_is_timed_or_costs_one_value_only() {
    let out = TempDir::new().unwrap();
    let file = out.path().join("file");
    fs::write(&file, "").unwrap();
    let message = stderr(experiments(&BENCH).arg("--out").arg(&file), 1);
    assert!(message.contains("this is a file, not a folder") && !message.contains("round 1"), "{message}");
    let ends = SNAIL.replace("do ", "do case $l in *train*) exit 1;; esac; ");
    let output = experiments(&BENCH).args(["--json", "--peer", &ends]).assert().success().get_output().clone();
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    let answers = |task: usize| record["measurements"][task]["peers"][0].as_array().unwrap().len();
    assert_eq!([0, 1, 2].map(answers), [0, 1, 1]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("ended without an answer"));
}

#[test]
fn a_file_with_the_speeds_of_other_peers_than_it_names_is_refused() {
    let out = TempDir::new().unwrap();
    stdout(experiments(&BENCH).args(["--peer", SNAIL, "--out"]).arg(out.path()));
    let file = out.path().join("bench/bench.json");
    let mut record: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    record["measurements"][0]["peers"].as_array_mut().unwrap().clear();
    fs::write(&file, record.to_string()).unwrap();
    let message = stderr(experiments(&["report"]).arg(out.path()), 1);
    assert!(message.contains("bench.json: two-conv gmp has the speeds of 0 peers, but `peers` names 1"), "{message}");
}

/// The module that all Python peers share needs no packages.
#[test]
fn a_python_peer_answers_in_the_protocol_and_one_that_only_infers_refuses_to_train() {
    if process::Command::new("python3").arg("--version").output().is_err() {
        return; // without Python there are no Python peers either
    }
    let peers = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");
    let program = "import protocol\n\
                   protocol.WARM_UP, protocol.SECONDS = 1, 0.01\n\
                   protocol.serve('Engine', '3', lambda request: lambda: sum(range(1000)), tasks=['infer'])\n";
    let peer = format!("PYTHONDONTWRITEBYTECODE=1 PYTHONPATH='{peers}' python3 -c \"{program}\"");
    let output = experiments(&BENCH).args(["--json", "--peer", &peer]).assert().success().get_output().clone();
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(record["peers"][0], "Engine 3");
    let answers: Vec<usize> = record["measurements"]
        .as_array()
        .unwrap()
        .iter()
        .map(|measurement| measurement["peers"][0].as_array().unwrap().len())
        .collect();
    assert_eq!(answers, [0, 1, 1]); // training, inference, latency
    let remarks = String::from_utf8_lossy(&output.stderr);
    assert!(remarks.contains("Engine 3: ValueError: Engine does not train; it only infers"), "{remarks}");
}
