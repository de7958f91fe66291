//! The page of a folder of suites.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use records::{read_text, rows, write_file};
use report::{HTML_FILE, MARKDOWN_FILE, Ranked, SuiteEntry};
use statistics::Compared;

use crate::{
    advice::advice, bench_record::BenchRecord, errors::in_one_line, files::save_html, limits::MAX_TEXT_BYTES,
    output::note, results::SuiteResults, statements::STATEMENTS,
};

/// The names of the pages, which are found again by the mark that the program leaves in them.
const PAGES: [&str; 3] = [MARKDOWN_FILE, HTML_FILE, LEADERBOARD_PAGE];

const LEADERBOARD: &str = "leaderboard";
const LEADERBOARD_PAGE: &str = "leaderboard.html";

/// Other files that may lie in the folder: the program that recomputes the committed intervals, the table of the leaderboard,
/// and the playground.
const OTHERS: [&str; 3] = ["recompute.py", "leaderboard.csv", "playground.html"];

/// Writes the page of a folder of suites, unless the folder contains anything but results, or another page of this name.
pub fn write_index(folder: &Path) -> Result<()> {
    let Some(suites) = suite_folders(folder)? else { return Ok(()) };
    let results = read(&suites);
    if results.is_empty() {
        return Ok(());
    }
    with_entries(&results, |entries| {
        let has_bench = BenchRecord::is_in(&folder.join("bench"));
        let page = report::index_page(&advice(entries)?, STATEMENTS, entries, has_bench);
        write_file(&folder.join(MARKDOWN_FILE), format!("{}{}", report::MARKER, report::markdown(&page)))?;
        save_html(&folder.join(HTML_FILE), &page)
    })?;
    write_leaderboard(folder, &results)
}

/// The sentences of the advice that the steps of the playground's tour quote, by step, from the suites in a folder. There are
/// none without such a folder.
pub fn tour(folder: &Path) -> Result<BTreeMap<String, String>> {
    let suites = if folder.is_dir() { suite_folders(folder)?.unwrap_or_default() } else { Vec::new() };
    with_entries(&read(&suites), |entries| {
        let steps =
            advice(entries)?.into_iter().filter_map(|advice| Some((advice.step?, advice.text.replace('`', "") + ".")));
        Ok(steps.collect())
    })
}

/// Reads the suites in these folders; what cannot be read is named and left out.
fn read(suites: &[PathBuf]) -> Vec<SuiteResults> {
    let mut results = Vec::new();
    for suite in suites {
        match SuiteResults::read(&[suite]) {
            Ok(read) => results.extend(read.filter(|results| !results.records.is_empty())),
            // A neighbour that cannot be read is no reason for a finished run to fail.
            Err(error) => {
                note(&format!("{} is left out of {MARKDOWN_FILE}: {}", suite.display(), in_one_line(&error)));
            }
        }
    }
    results
}

/// Calls `use_entries` with the suites and the tests of their claims, judged.
fn with_entries<T>(results: &[SuiteResults], use_entries: impl FnOnce(&[SuiteEntry]) -> Result<T>) -> Result<T> {
    let compared: Vec<_> = results.iter().map(compared_or_told).collect();
    let judged: Vec<_> = results
        .iter()
        .zip(&compared)
        .map(|(suite, compared)| {
            compared.as_ref().map_or_else(Vec::new, |compared| statistics::judge(&suite.outline.claims, compared))
        })
        .collect();
    let entries: Vec<SuiteEntry> = results
        .iter()
        .zip(&judged)
        .map(|(suite, judged)| SuiteEntry {
            name: &suite.info.name,
            question: suite.outline.question.as_deref().unwrap_or(&suite.info.question),
            runs: suite.records.len(),
            missing: suite.missing,
            judged,
        })
        .collect();
    use_entries(&entries)
}

/// Writes the table of all trained networks, as a page with its figure, and as CSV.
fn write_leaderboard(folder: &Path, results: &[SuiteResults]) -> Result<()> {
    let rows: Vec<_> = results.iter().map(|suite| rows(&suite.records)).collect();
    let mut networks = Vec::new();
    for (suite, rows) in results.iter().zip(&rows) {
        let records = suite.records.chunk_by(|a, b| a.config_hash == b.config_hash).map(|group| &group[0]);
        networks.extend(rows.iter().zip(records).map(|(row, record)| Ranked { suite: &suite.info.name, row, record }));
    }
    let (page, table) = report::leaderboard(&networks)?;
    save_html(&folder.join(LEADERBOARD_PAGE), &page)?;
    Ok(write_file(&folder.join(LEADERBOARD).with_extension("csv"), report::csv(&table)?)?)
}

/// Compares what a suite asks for; if that fails, standard error tells why.
fn compared_or_told(suite: &SuiteResults) -> Option<Vec<Compared<'_>>> {
    let compared = statistics::compare(&suite.outline.comparisons, &suite.outline.claims, &suite.records);
    compared
        .map_err(|error| note(&format!("the claims of {} are left out of {MARKDOWN_FILE}: {error}", suite.info.name)))
        .ok()
}

/// The suites' folders, except those that options have changed; `None` if the folder contains anything else, or a page of
/// this name that the program did not write.
fn suite_folders(folder: &Path) -> Result<Option<Vec<PathBuf>>> {
    let mut suites = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry.with_context(|| folder.display().to_string())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.join("runs").is_dir() {
            if !name.ends_with("-custom") {
                suites.push(path);
            }
        } else if PAGES.contains(&name.as_str()) {
            // What is not a readable text is not a page of this program either.
            if !read_text(&path, MAX_TEXT_BYTES).is_ok_and(|page| report::is_written(&page)) {
                return Ok(None);
            }
        } else if !name.starts_with('.') && !OTHERS.contains(&name.as_str()) && !BenchRecord::is_in(&path) {
            return Ok(None);
        }
    }
    suites.sort();
    Ok(Some(suites))
}
