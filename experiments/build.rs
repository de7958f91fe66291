//! Passes the version of candle to the program, which writes it into its records.

use std::{env, fs, path::PathBuf};

fn main() {
    // `include_dir!` embeds the suites without telling cargo which files it reads.
    println!("cargo::rerun-if-changed=suites");
    let lock = lock_file();
    println!("cargo::rerun-if-changed={}", lock.display());
    let lock = fs::read_to_string(lock).expect("Cargo.lock can be read");
    println!("cargo::rustc-env=CANDLE_VERSION={}", version(&lock, "candle-core"));
}

/// The lock file of the workspace that is being built: a dependant's, where this package is used as a library.
fn lock_file() -> PathBuf {
    let folders =
        ["OUT_DIR", "CARGO_MANIFEST_DIR"].map(|variable| PathBuf::from(env::var_os(variable).expect("set by cargo")));
    let mut candidates = folders.iter().flat_map(|folder| folder.ancestors()).map(|folder| folder.join("Cargo.lock"));
    candidates.find(|path| path.is_file()).expect("a Cargo.lock above the build folder or the package")
}

fn version<'a>(lock: &'a str, package: &str) -> &'a str {
    let entry = format!("name = \"{package}\"\nversion = \"");
    let version = lock.split_once(&entry).and_then(|(_, rest)| rest.split('"').next());
    version.unwrap_or_else(|| panic!("Cargo.lock has no package `{package}`"))
}
