//! The page of a folder of suites.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::report::outline;
use crate::{
    render::{Entry, index, is_index},
    select::select,
    statistics,
    store::{read_records, write},
};

/// Writes `results/README.md`, if the folder holds results and nothing else, and no other page of that name.
pub fn write_index(results: &Path) -> Result<()> {
    let Some(suites) = suites(results)? else { return Ok(()) };
    let mut entries = Vec::new();
    for folder in suites {
        let (records, _) = read_records(&folder)?;
        let Some(first) = records.first() else { continue };
        let outline = outline(&[&folder], first)?;
        let (name, question) = (first.suite.name.clone(), first.suite.question.clone());
        let (records, _) = select(&records, &[]);
        let verdicts = statistics::verdicts(&outline.claims, &outline.comparisons, &records)?;
        entries.push(Entry { name, question, runs: records.len(), verdicts });
    }
    if entries.is_empty() { Ok(()) } else { write(&results.join("README.md"), index(&entries)) }
}

/// The folders of suites, but for those that options changed; none where the page would not be ours to write.
fn suites(results: &Path) -> Result<Option<Vec<PathBuf>>> {
    let mut suites = Vec::new();
    for entry in fs::read_dir(results).with_context(|| results.display().to_string())? {
        let path = entry.with_context(|| results.display().to_string())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.join("runs").is_dir() {
            suites.push(path);
        } else if name == "README.md" {
            let page = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            if !is_index(&page) {
                return Ok(None);
            }
        } else if !name.starts_with('.') && !path.join("bench.json").is_file() {
            return Ok(None);
        }
    }
    suites.retain(|path| !path.to_string_lossy().ends_with("-custom"));
    suites.sort();
    Ok(Some(suites))
}
