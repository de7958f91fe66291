//! The division of a sweep among processes.

mod common;

use std::{fs, process::Command};

use common::{experiments, records, stderr, stdout, tiny, weights};
use tempfile::TempDir;

/// The suite heads as `common::tiny` changes it.
const TINY: &[&str] = &["heads", "--heads", "fc,gap", "--models", "two-conv", "--train-size", "256", "--epochs", "1"];

#[test]
fn the_commands_of_all_shards_give_the_results_of_one_run() {
    let folder = TempDir::new().unwrap();
    let plan = |more: &[&str]| {
        let mut command = experiments(&["plan"]);
        command.args(TINY).args(["--seeds", "1", "--shards", "2", "--out", "two parts"]).args(more);
        stdout(command.current_dir(folder.path()))
    };
    let table = plan(&[]);
    assert!(table.contains("1/2       1      50.0") && table.contains("2/2       1      50.0"), "{table}");

    let lines = plan(&["--lines"]);
    assert_eq!(lines.lines().count(), 2, "{lines}");
    for line in lines.lines() {
        assert!(Command::new("sh").args(["-c", line]).current_dir(folder.path()).output().unwrap().status.success());
    }
    let merged = folder.path().join("two parts");
    stdout(experiments(&["report"]).arg(&merged));
    assert_eq!(fs::read_to_string(merged.join("heads/summary.csv")).unwrap().lines().count(), 3);

    let whole = folder.path().join("whole");
    stdout(&mut tiny(&whole, &["--seeds", "1"]));
    let mut parts: Vec<String> =
        ["shard-1", "shard-2"].iter().flat_map(|part| weights(&merged.join(part).join("heads"))).collect();
    let mut whole = weights(&whole.join("heads"));
    parts.sort();
    whole.sort();
    assert_eq!(parts, whole);
    assert_eq!(records(&merged.join("shard-1/heads")).len(), 1);
}

#[test]
fn a_slurm_script_passes_on_what_run_needs_and_tells_sbatch_the_rest() {
    let mut command = experiments(&["slurm"]);
    command.args(TINY).args(["--shards", "3", "--out", "x", "--time=1:00:00", "--mem", "4G", "--cpus-per-task", "2"]);
    let script = stdout(&mut command);
    assert!(script.contains("--array=1-3 --cpus-per-task=2 --time=1:00:00 --mem=4G "), "{script}");
    assert!(
        script.contains(" run heads --heads fc,gap --models two-conv --train-size 256 --epochs 1 --quiet "),
        "{script}"
    );
    assert!(script.contains("--shard $SLURM_ARRAY_TASK_ID/3 --out x/shard-$SLURM_ARRAY_TASK_ID"), "{script}");
    assert!(script.contains(" report x\n"), "{script}");
    // A shell accepts it, up to the command that this machine need not have.
    let checked = Command::new("sh").args(["-n", "-c", &script]).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn shards_that_cannot_be_are_refused() {
    for (more, answer) in [
        (&["--shards", "122"][..], "--shards 122 is more than the suite's number of runs, 121"),
        (&["--shards", "0"], "whole number from 1"),
        (&["--shards", "2", "--shard", "1/2"], "cannot be used with"),
        (&["--shards", "2", "--tune"], "cannot be used with"),
    ] {
        for command in ["plan", "slurm"] {
            let message = stderr(experiments(&[command, "heads"]).args(more), 2);
            assert!(message.contains(answer), "{message}");
        }
    }
}
