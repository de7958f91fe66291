use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::index::write_index;
use crate::{
    aggregate::rows,
    output::print,
    record::Record,
    render::{Parts, draw, maps, markdown, measures, summary, table},
    select::select,
    statistics,
    store::{read_records, read_suite, write},
    suite::Outline,
};

/// How deep below the folder that is named suites' folders are looked for: `SHARD/SUITE`.
const DEPTH: usize = 2;

/// Renders the suite in `dir`, or every suite found below it and their index; where several folders hold records of one
/// suite (shards), they are merged into `dir/SUITE`.
pub fn report(dir: &Path) -> Result<()> {
    let mut folders = Vec::new();
    find(dir, DEPTH, &mut folders)?;
    let mut suites = BTreeMap::<String, Vec<PathBuf>>::new();
    for folder in folders {
        let (records, _) = read_records(&folder)?;
        let name = records.first().map(|record| record.suite.name.clone());
        suites.entry(name.unwrap_or_default()).or_default().push(folder);
    }
    if suites.keys().all(|name| name.is_empty()) {
        bail!("{}: no records here; they lie in SUITE/runs/*.json", dir.display())
    }
    for (name, folders) in suites.iter().filter(|(name, _)| !name.is_empty()) {
        let folders: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
        match folders.as_slice() {
            [folder] => render(folder, &[folder], &[])?,
            several => {
                let merged = dir.join(name);
                fs::create_dir_all(&merged).with_context(|| merged.display().to_string())?;
                render(&merged, several, &[])?;
            }
        }
    }
    if dir.join("runs").is_dir() { Ok(()) } else { write_index(dir) }
}

/// A folder that holds `runs` is a suite's.
fn find(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    if dir.join("runs").is_dir() {
        found.push(dir.to_path_buf());
        return Ok(());
    }
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        entries.push(entry.with_context(|| dir.display().to_string())?.path());
    }
    entries.sort();
    for entry in entries.iter().filter(|entry| depth > 0 && entry.is_dir()) {
        find(entry, depth - 1, found)?;
    }
    Ok(())
}

/// Writes tables, plots and page into `folder` and prints the table, from the records in all of `sources`; of several
/// configurations of a variant, one with a hash among `wanted`.
pub fn render(folder: &Path, sources: &[&Path], wanted: &[String]) -> Result<()> {
    let (mut records, mut unreadable) = (Vec::new(), Vec::new());
    for source in sources {
        let (more, bad) = read_records(source)?;
        records.extend(more);
        unreadable.extend(bad);
    }
    if records.is_empty() {
        bail!("{}: no records to render", folder.display())
    }
    let outline = outline(sources, &records[0])?;
    let (records, mut left_out) = select(&records, wanted);
    let rows = rows(&records);
    write(&folder.join("summary.csv"), &summary(&rows)?)?;
    if let Some(measures) = measures(&rows)? {
        write(&folder.join("measures.csv"), &measures)?;
    }
    let plots = draw(&outline.plots, &rows, folder);
    let pictures = maps(&rows, sources, folder);
    let comparisons = statistics::section(&outline.comparisons, &outline.claims, &records);
    let parts = Parts {
        plots: plots.as_ref().map_or(Vec::new(), Clone::clone),
        maps: pictures.as_ref().map_or(Vec::new(), Clone::clone),
        comparisons: comparisons.as_ref().map_or(String::new(), Clone::clone),
    };
    write(&folder.join("README.md"), markdown(&records, &rows, &left_out, &parts))?;
    left_out.append(&mut unreadable);
    left_out.iter().for_each(|what| eprintln!("left out: {what}"));
    print(&table(&rows))?;
    // The table is there also where something about it could not be drawn or compared.
    plots.and(pictures).and(comparisons).map(drop)
}

/// What the suite wants made of its records: as it lies beside them, or else as this program knows it.
pub fn outline(sources: &[&Path], record: &Record) -> Result<Outline> {
    for source in sources {
        if let Some(text) = read_suite(source)? {
            return Outline::parse(&text).with_context(|| format!("{}: suite.toml", source.display()));
        }
    }
    Outline::embedded(&record.suite.name)
}
