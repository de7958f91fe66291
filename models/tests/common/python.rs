//! Python programs, for tests that compare with PyTorch and onnxruntime.

use std::{
    ffi::OsStr,
    io::{Write, stderr},
    path::Path,
    process::Command,
};

/// Runs a script of `tests/fixtures` with the interpreter that the environment variable `PYTHON` names, and returns what it
/// prints. Without that variable it says so, also where the output of passing tests is hidden, and returns `None`.
pub fn python(script: &str, arguments: &[&OsStr]) -> Option<String> {
    let Some(interpreter) = std::env::var_os("PYTHON") else {
        let _ = writeln!(stderr(), "skipped: set PYTHON to an interpreter with the packages that {script} imports");
        return None;
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(script);
    let output = Command::new(interpreter).arg("-B").arg(path).args(arguments).output().expect("PYTHON starts");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let _ = write!(stderr(), "{printed}");
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    Some(printed)
}
