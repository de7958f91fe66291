use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use records::{create_folder, read_records};

use crate::{
    bench_record::BenchRecord,
    errors::in_one_line,
    index::write_index,
    output::{note, print},
    render::render,
};

/// How deep below the given folder suites' folders are searched: `SHARD/SUITE`.
const MAX_DEPTH: usize = 2;

/// Renders the suite in `dir`, or every suite found below it and their index, and the comparison of `bench`. If several
/// folders contain records of one suite, which are its shards, they are merged into `dir/SUITE`.
pub fn report(dir: &Path) -> Result<()> {
    let mut folders = Vec::new();
    find_suites(dir, MAX_DEPTH, &mut folders)?;
    let mut suites = BTreeMap::<String, Vec<PathBuf>>::new();
    for folder in folders {
        let (records, _) = read_records(&folder)?;
        if let Some(record) = records.first() {
            suites.entry(record.suite.name.clone()).or_default().push(folder);
        }
    }
    let bench = [dir.join("bench"), dir.to_path_buf()].into_iter().find(|folder| BenchRecord::is_in(folder));
    if let Some(folder) = &bench {
        BenchRecord::read(folder)?.save_page(folder)?;
    } else if suites.is_empty() {
        bail!("{} has no records; they are expected in SUITE/runs/*.json", dir.display())
    }
    let mut failed = Vec::new();
    for (name, folders) in &suites {
        if suites.len() > 1 {
            print(&format!("\n=== {name} ==="))?;
        }
        let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
        if let Err(error) = report_suite(dir, name, &folders) {
            // The other suites are rendered nevertheless.
            note(&format!("error: {name}: {}", in_one_line(&error)));
            failed.push(name.as_str());
        }
    }
    if !is_suite(dir) {
        write_index(dir)?;
    }
    ensure!(failed.is_empty(), "these suites could not be rendered: {}", failed.join(", "));
    Ok(())
}

/// Renders one suite. If it has several folders, they are merged into `dir/SUITE`.
fn report_suite(dir: &Path, name: &str, folders: &[&Path]) -> Result<()> {
    if let [folder] = folders {
        return render(folder, &[folder]);
    }
    let merged = dir.join(name);
    create_folder(&merged)?;
    render(&merged, folders)
}

/// Returns whether a folder contains the records of a suite.
fn is_suite(folder: &Path) -> bool {
    folder.join("runs").is_dir()
}

fn find_suites(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    if is_suite(dir) {
        found.push(dir.to_path_buf());
        return Ok(());
    }
    let entries = fs::read_dir(dir).with_context(|| {
        format!("cannot read the folder {}; name one that `run` has written, such as results/heads", dir.display())
    })?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    for path in paths.iter().filter(|path| depth > 0 && path.is_dir()) {
        find_suites(path, depth - 1, found)?;
    }
    Ok(())
}
