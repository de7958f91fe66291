//! What has been computed survives: kills at any moment, interruptions, full disks, and other processes in the same folder.
//!
//! `SURVIVAL_KILLS=50 cargo test --workspace --test survival -- --nocapture` kills more often than the five times that every
//! test run does.
#![cfg(unix)]

mod common;

use std::{
    collections::BTreeMap,
    env, fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use common::records as all_records;
use records::read_records;
use tempfile::TempDir;

const RUNS: [&str; 10] =
    ["run", "heads", "--models", "two-conv", "--heads", "fc,gap", "--seeds", "1", "--threads", "2"];
/// Makes the two runs take a second or more.
const LONG: [&str; 4] = ["--train-size", "1500", "--epochs", "4"];
/// Makes them take a moment.
const SHORT: [&str; 4] = ["--train-size", "64", "--epochs", "1"];

fn sweep(out: &Path, length: [&str; 4], more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_experiments"));
    command.args(RUNS).args(length).args(more).arg("--out").arg(out).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn command(out: &Path, more: &[&str]) -> Command {
    sweep(out, LONG, more)
}

fn stderr(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!text.contains("panicked"), "{text}");
    text
}

/// Runs to the end and returns what was printed on standard error.
fn finish(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    text
}

fn suite(out: &Path) -> PathBuf {
    out.join("heads")
}

/// The hashes of the weights by the names of the records.
fn weights(out: &Path) -> BTreeMap<String, String> {
    let hash = |record: serde_json::Value| record["weights_sha256"].as_str().unwrap().to_string();
    all_records(&suite(out)).into_iter().map(|(name, record)| (name, hash(record))).collect()
}

/// The weights of a sweep that nothing disturbed, and how long it took.
fn undisturbed() -> &'static (BTreeMap<String, String>, Duration) {
    static UNDISTURBED: OnceLock<(BTreeMap<String, String>, Duration)> = OnceLock::new();
    UNDISTURBED.get_or_init(|| {
        let out = TempDir::new().unwrap();
        let start = Instant::now();
        finish(&mut command(out.path(), &[]));
        (weights(out.path()), start.elapsed())
    })
}

/// The number of files with this extension in the folder of checkpoints.
fn count(out: &Path, extension: &str) -> usize {
    let entries = fs::read_dir(suite(out).join("checkpoints"));
    let paths = entries.into_iter().flatten().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|found| found == extension)).count()
}

/// Waits until the sweep trains both runs, whose locks tell it.
fn wait_for_training(child: &mut Child, out: &Path) {
    while count(out, "lock") < 2 {
        assert!(child.try_wait().unwrap().is_none(), "the program ended before it trained");
        thread::sleep(Duration::from_millis(5));
    }
    thread::sleep(Duration::from_millis(200));
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Checks that everything that counts as a record is one, and that nothing half-written is there.
fn check_folder(out: &Path) {
    let runs = suite(out).join("runs");
    if runs.is_dir() {
        let (_, unreadable) = read_records(&suite(out)).unwrap();
        assert_eq!(unreadable, []);
    }
}

#[test]
fn a_sweep_that_is_killed_at_any_moment_goes_on_and_ends_with_the_same_weights() {
    let kills: u32 = env::var("SURVIVAL_KILLS").map_or(5, |text| text.parse().unwrap());
    let (expected, duration) = undisturbed();
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let out = TempDir::new().unwrap();
    let (mut ended, mut resumed_within) = (0, 0);
    for kill in 0..kills {
        // A linear congruential generator; its upper bits are random enough.
        let random = (seed.wrapping_add(u64::from(kill))).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let delay = duration.mul_f64((random >> 40) as f64 / (1u64 << 24) as f64);
        let begun = count(out.path(), "safetensors");
        resumed_within += begun;
        let mut child = command(out.path(), &["--quiet"]).spawn().unwrap();
        thread::sleep(delay);
        child.kill().unwrap();
        let output = child.wait_with_output().unwrap();
        ended += u32::from(output.status.success());
        assert_eq!(stderr(&output), "");
        check_folder(out.path());
        eprintln!("kill {kill} after {delay:?}, with {begun} checkpoints at the start");
    }
    eprintln!("{kills} kills; {ended} came too late; {resumed_within} runs went on from a checkpoint");
    finish(&mut command(out.path(), &[]));
    assert_eq!(weights(out.path()), *expected);
    assert!(!suite(out.path()).join("checkpoints").exists());
    let hidden = fs::read_dir(suite(out.path()).join("runs")).unwrap().count();
    assert_eq!(hidden, 2, "partial files were left");
}

#[test]
fn ctrl_c_saves_a_checkpoint_says_how_to_go_on_and_the_same_command_does() {
    let out = TempDir::new().unwrap();
    let mut child = command(out.path(), &["--fresh"]).spawn().unwrap();
    wait_for_training(&mut child, out.path());
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(
        text.contains("interrupted: 0 of 2 runs are finished, 2 more have a checkpoint; they are kept in"),
        "{text}"
    );
    let goes_on = format!("--epochs 4 --out {}` goes on", out.path().display());
    assert!(text.contains(&goes_on) && !text.contains("--fresh"), "{text}");
    let text = finish(&mut command(out.path(), &[]));
    assert!(text.contains("resuming an interrupted sweep: 0 of 2 runs are finished, 2 to train"), "{text}");
    assert_eq!(weights(out.path()), undisturbed().0);
}

#[test]
fn a_checkpoint_that_is_damaged_is_set_aside_and_the_run_starts_over() {
    let out = TempDir::new().unwrap();
    let mut child = command(out.path(), &[]).spawn().unwrap();
    wait_for_training(&mut child, out.path());
    signal(&child, "-TERM");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    let checkpoints = suite(out.path()).join("checkpoints");
    assert_eq!(count(out.path(), "safetensors"), 2);
    for path in fs::read_dir(&checkpoints).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        }
    }
    let text = finish(&mut command(out.path(), &["--quiet"]));
    assert_eq!(text.matches("is not a complete checkpoint").count(), 2, "{text}");
    assert_eq!(text.matches("set-aside, and the run starts over").count(), 2, "{text}");
    assert_eq!(weights(out.path()), undisturbed().0);
    let kept = fs::read_dir(&checkpoints).unwrap().count();
    assert_eq!(kept, 2, "the damaged checkpoints are kept");
}

#[test]
fn two_processes_share_the_work_on_one_plan_and_two_plans_lie_side_by_side() {
    let out = TempDir::new().unwrap();
    let same: Vec<Child> = (0..2).map(|_| command(out.path(), &[]).spawn().unwrap()).collect();
    for child in same {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(!String::from_utf8_lossy(&output.stdout).contains("Incomplete"));
    }
    assert_eq!(weights(out.path()), undisturbed().0);
    assert!(!suite(out.path()).join("checkpoints").exists());

    let start = |lr| sweep(out.path(), SHORT, &["--lr", lr]).spawn().unwrap();
    let different: Vec<Child> = ["0.02", "0.03"].into_iter().map(start).collect();
    for child in different {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    let (records, unreadable) = read_records(&suite(out.path())).unwrap();
    assert_eq!((records.len(), unreadable), (6, Vec::new()));
}

#[test]
fn starting_over_is_refused_while_another_process_is_at_work() {
    let out = TempDir::new().unwrap();
    let mut child = command(out.path(), &[]).spawn().unwrap();
    wait_for_training(&mut child, out.path());
    let output = command(out.path(), &["--fresh"]).output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("another process is at work in") && text.contains("heads"), "{text}");
    child.kill().unwrap();
    child.wait().unwrap();
    // A dead process holds no lock.
    finish(&mut sweep(out.path(), SHORT, &["--fresh"]));
}

#[test]
fn a_second_ctrl_c_ends_the_program_too() {
    let out = TempDir::new().unwrap();
    let mut child = command(out.path(), &[]).spawn().unwrap();
    wait_for_training(&mut child, out.path());
    // Whether the first signal or the second ends the program, the exit code says that it was interrupted.
    signal(&child, "-INT");
    let _ = Command::new("kill").args(["-INT", &child.id().to_string()]).stderr(Stdio::null()).status();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

/// Starts the program with a limit of the file size, in blocks of 512 or 1024 bytes.
fn limited(out: &Path, blocks: u32) -> Output {
    let line = format!("ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &line, env!("CARGO_BIN_EXE_experiments")]).args(RUNS);
    // Long enough that a checkpoint is due.
    shell.args(["--train-size", "2000", "--epochs", "200", "--out"]).arg(out);
    shell.output().unwrap()
}

#[test]
fn a_full_disk_ends_the_sweep_with_one_error_and_leaves_what_was_there() {
    let out = TempDir::new().unwrap();
    // A record of another plan, and a page.
    finish(&mut sweep(out.path(), SHORT, &[]));
    let snapshot = |folder: PathBuf| -> BTreeMap<PathBuf, Vec<u8>> {
        let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        paths.filter(|path| path.is_file()).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    };
    let runs = snapshot(suite(out.path()).join("runs"));
    // Not even the suite's file fits; then, everything but a checkpoint.
    for (blocks, file) in [(1, "suite.toml"), (64, ".safetensors")] {
        let output = limited(out.path(), blocks);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error")).collect();
        assert!(errors.len() == 1 && errors[0].contains(file) && errors[0].contains("File too large"), "{text}");
        assert_eq!(snapshot(suite(out.path()).join("runs")), runs);
    }
    let left = fs::read_dir(suite(out.path()).join("checkpoints")).unwrap().map(|entry| entry.unwrap().path());
    let left: Vec<PathBuf> = left.filter(|path| path.is_file()).collect();
    assert_eq!(left, Vec::<PathBuf>::new(), "partial files were left");
}

#[test]
fn a_folder_that_cannot_be_written_is_one_error_before_or_during_training() {
    let out = TempDir::new().unwrap();
    let file = out.path().join("file");
    fs::write(&file, "mine").unwrap();
    let output = command(&file, &[]).output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.ends_with("file: this is a file, not a folder\n"), "{text}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");

    // A folder that is moved away while the program trains.
    let mut child = command(out.path(), &["--quiet"]).spawn().unwrap();
    wait_for_training(&mut child, out.path());
    fs::rename(suite(out.path()), out.path().join("moved")).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = stderr(&output);
    assert_eq!((output.status.code(), text.lines().count()), (Some(1), 1), "{text}");
    assert!(text.contains("No such file or directory"), "{text}");
    assert!(!suite(out.path()).exists() && out.path().join("moved/plan.json").exists());

    let read_only = out.path().join("read-only");
    fs::create_dir(&read_only).unwrap();
    let mut permissions = fs::metadata(&read_only).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&read_only, permissions).unwrap();
    // Permissions do not bind root.
    if fs::write(read_only.join("probe"), "").is_err() {
        let output = command(&read_only, &[]).output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("heads: Permission denied"), "{text}");
    }
}

#[test]
fn a_closed_or_full_standard_error_stops_nothing() {
    let out = TempDir::new().unwrap();
    let mut child = sweep(out.path(), SHORT, &[]).spawn().unwrap();
    drop(child.stderr.take());
    let mut table = String::new();
    child.stdout.take().unwrap().read_to_string(&mut table).unwrap();
    assert_eq!((child.wait().unwrap().code(), table.contains("two-conv on mnist-mini")), (Some(0), true));
    if let Ok(full) = fs::File::options().write(true).open("/dev/full") {
        let status = sweep(out.path(), SHORT, &[]).stdout(Stdio::null()).stderr(full).status().unwrap();
        assert_eq!(status.code(), Some(0));
    }
}
