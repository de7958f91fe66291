//! `run --tensorboard`, read by this workspace and by TensorBoard itself.
//!
//! `PYTHON=PATH cargo test --workspace --test tensorboard` names a Python interpreter that has the package `tensorboard`; the
//! default is `python3`. Where there is none, the test says so and passes.

mod common;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

const SUITE: [&str; 12] = [
    "run",
    "localisation",
    "--dataset",
    "mnist-mini",
    "--models",
    "two-conv",
    "--heads",
    "gap",
    "--seeds",
    "1",
    "--out",
    "",
];

fn command(out: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_experiments"));
    command.args(&SUITE[..SUITE.len() - 1]).arg(out).args(more).arg("--tensorboard").arg("--quiet");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn finish(out: &Path, more: &[&str]) {
    assert!(command(out, more).status().unwrap().success());
}

/// The folder of the only run's events.
fn events_folder(out: &Path) -> PathBuf {
    let entries = fs::read_dir(out.join("localisation/tensorboard")).unwrap();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    folders.remove(0)
}

/// The points of a curve: steps and values.
fn curve(out: &Path, tag: &str) -> Vec<(i64, f32)> {
    let events = tensorboard::read(&events_folder(out).join("events.out.tfevents")).unwrap();
    let points = events.iter().flat_map(|event| {
        let values = event.summary.iter().flat_map(|summary| &summary.value);
        values.filter(|value| value.tag == tag).filter_map(|value| Some((event.step, value.simple_value?)))
    });
    points.collect()
}

/// A curve as it stands in the only record.
fn recorded(out: &Path, field: &str) -> Vec<(i64, f32)> {
    let record = common::records(&out.join("localisation")).into_values().next().unwrap();
    let points = record["curve"].as_array().unwrap().iter();
    points.map(|point| (point["epoch"].as_i64().unwrap(), point[field].as_f64().unwrap() as f32)).collect()
}

#[test]
fn a_killed_and_resumed_run_has_every_point_of_its_record_once() {
    let out = TempDir::new().unwrap();
    let more = ["--train-size", "1000", "--epochs", "6"];
    let mut child = command(out.path(), &more).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    let folder = out.path().join("localisation/tensorboard");
    while !(folder.is_dir() && fs::read_dir(&folder).unwrap().count() == 1 && has_point(out.path())) {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "no point was written while it ran");
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    finish(out.path(), &more);
    for (tag, field) in
        [("loss/train", "train_loss"), ("loss/validation", "val_loss"), ("accuracy/validation", "val_top1")]
    {
        let points = curve(out.path(), tag);
        assert_eq!(points.iter().map(|point| point.0).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(points, recorded(out.path(), field), "{tag}");
    }
    assert_eq!(curve(out.path(), "learning_rate").len(), 6);
}

fn has_point(out: &Path) -> bool {
    let path = events_folder(out).join("events.out.tfevents");
    tensorboard::read(&path).is_ok_and(|events| events.len() > 1)
}

/// Prints the curves, and the sizes of the pictures, as TensorBoard reads them.
const READER: &str = r#"
import json, struct, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
run = EventAccumulator(sys.argv[1])
run.Reload()
scalars = {tag: [[point.step, point.value] for point in run.Scalars(tag)] for tag in run.Tags()["scalars"]}
images = {}
for tag in run.Tags()["images"]:
    [image] = run.Images(tag)
    assert struct.unpack(">II", image.encoded_image_string[16:24]) == (image.width, image.height)
    images[tag] = image.step
print(json.dumps({"scalars": scalars, "images": images}))
"#;

#[test]
fn tensorboard_reads_the_curves_and_pictures_back() {
    let python = env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let has_package = Command::new(&python).args(["-c", "import tensorboard"]).stderr(Stdio::null()).status();
    if !has_package.is_ok_and(|status| status.success()) {
        eprintln!("skipped: {python:?} with the package tensorboard is not available; name it in PYTHON");
        return;
    }
    let out = TempDir::new().unwrap();
    finish(out.path(), &["--train-size", "100", "--epochs", "2"]);
    let output = Command::new(&python).args(["-c", READER]).arg(events_folder(out.path())).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (tag, field) in
        [("loss/train", "train_loss"), ("loss/validation", "val_loss"), ("accuracy/validation", "val_top1")]
    {
        let points: Vec<(i64, f32)> = serde_json::from_value(read["scalars"][tag].clone()).unwrap();
        assert_eq!(points, recorded(out.path(), field), "{tag}");
    }
    let rates: Vec<(i64, f32)> = serde_json::from_value(read["scalars"]["learning_rate"].clone()).unwrap();
    assert!(rates.len() == 2 && rates.iter().all(|(_, rate)| *rate > 0.), "{rates:?}");
    assert_eq!(read["images"], serde_json::json!({ "maps/images": 1, "maps/evidence": 1, "mistakes": 1 }));
}
