//! The printed intervals of the committed results, recomputed by a program in Python that shares no code with this one.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Runs `results/recompute.py` with the interpreter that the environment variable `PYTHON` names, or else `python3`; `None`
/// if there is none with what it needs.
fn recompute(folder: &Path) -> Option<Output> {
    let interpreter = std::env::var("PYTHON").unwrap_or("python3".into());
    let needs = "import tomllib, numpy, scipy";
    if !Command::new(&interpreter).args(["-c", needs]).output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {interpreter} is not Python 3.11 with numpy and scipy; set PYTHON to one that is");
        return None;
    }
    let script = results().join("recompute.py");
    Some(Command::new(interpreter).arg("-B").arg(script).arg(folder).output().unwrap())
}

fn results() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../results")
}

#[test]
fn all_printed_intervals_follow_from_the_records() {
    let Some(output) = recompute(&results()) else { return };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    eprintln!("{}", text.lines().last().unwrap_or_default());
}

#[test]
fn an_interval_that_does_not_follow_from_the_records_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (results().join("local-pooling"), folder.path().join("local-pooling"));
    fs::create_dir_all(to.join("runs")).unwrap();
    fs::copy(from.join("suite.toml"), to.join("suite.toml")).unwrap();
    for run in fs::read_dir(from.join("runs")).unwrap() {
        let run = run.unwrap();
        fs::copy(run.path(), to.join("runs").join(run.file_name())).unwrap();
    }
    let page = fs::read_to_string(from.join("README.md")).unwrap();
    let (before, comparisons) = page.split_once("## Comparisons").unwrap();
    let (first, interval) = comparisons.split_once(" [").unwrap();
    let (_, rest) = interval.split_once(']').unwrap();
    fs::write(to.join("README.md"), format!("{before}## Comparisons{first} [9.87, 9.88]{rest}")).unwrap();
    let Some(output) = recompute(folder.path()) else { return };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(1) && text.contains("DIFFERS"), "{text}");
}
