//! The committed results, rendered again from their records.

use std::{
    fs,
    path::{Path, PathBuf},
};

use records::{Row, Trial, read_records, rows, select};
use report::{
    PlotSpec, SuiteReport, figures, markdown, measures_csv, suite_overview, suite_page, summary_csv, terminal,
    tuning_csv,
};
use statistics::{Claim, Comparison, compare, judge};

/// The folders of suites with the rows of their tables.
fn suites() -> Vec<(PathBuf, Vec<Row>)> {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../results");
    let folders = fs::read_dir(results).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = folders.filter(|folder| folder.join("runs").is_dir()).collect();
    folders.sort();
    let rows = |folder: &PathBuf| rows(&select(&read_records(folder).unwrap().0, None).0);
    folders.into_iter().map(|folder| (folder.clone(), rows(&folder))).collect()
}

/// Names the first line that differs, as whole files are too long to read.
fn assert_same(ours: &str, path: &Path) {
    let committed = fs::read_to_string(path).unwrap();
    for (number, (ours, committed)) in ours.lines().zip(committed.lines()).enumerate() {
        assert_eq!(ours, committed, "{}, line {}", path.display(), number + 1);
    }
    assert_eq!(ours.len(), committed.len(), "{}", path.display());
}

#[test]
fn the_committed_csv_files_follow_from_the_records_byte_for_byte() {
    let suites = suites();
    assert!(!suites.is_empty());
    for (folder, rows) in suites {
        assert_same(&summary_csv(&rows).unwrap(), &folder.join("summary.csv"));
        match measures_csv(&rows).unwrap() {
            Some(measures) => assert_same(&measures, &folder.join("measures.csv")),
            None => assert!(!folder.join("measures.csv").exists(), "{}", folder.display()),
        }
        let tuning = folder.join("tuning.csv");
        if tuning.exists() {
            let trials: Result<Vec<Trial>, _> = csv::Reader::from_path(&tuning).unwrap().deserialize().collect();
            assert_same(&tuning_csv(&trials.unwrap()).unwrap(), &tuning);
        }
    }
}

#[derive(serde::Deserialize)]
struct SuiteFile {
    #[serde(default)]
    plots: Vec<PlotSpec>,
    #[serde(default)]
    comparisons: Vec<Comparison>,
    #[serde(default)]
    claims: Vec<Claim>,
}

/// Set `REPORT_PREVIEW=FOLDER` to write the pages and figures into a folder and look at them.
#[test]
fn every_committed_suite_has_a_page_that_fits_a_terminal_and_all_its_figures() {
    let preview = std::env::var_os("REPORT_PREVIEW").map(PathBuf::from);
    for (folder, rows) in suites() {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let (records, left_out) = select(&read_records(&folder).unwrap().0, None);
        let file = fs::read_to_string(folder.join("suite.toml")).unwrap();
        let SuiteFile { plots, comparisons, claims } = toml::from_str(&file).unwrap();
        let (figures, without_data) = figures(&plots, &rows).unwrap();
        assert!(without_data.is_empty(), "{name}: {without_data:?}");
        let compared = compare(&comparisons, &claims, &records).unwrap();
        let judged = judge(&claims, &compared);
        let suite = SuiteReport {
            records: &records,
            rows: &rows,
            left_out: &left_out,
            compared: &compared,
            judged: &judged,
            figures: &figures,
            ..SuiteReport::default()
        };
        let (page, overview) = (markdown(&suite_page(&suite)), terminal(&suite_overview(&suite), 80));
        let negative_zero = page.split(['-', '−']).find(|rest| {
            let number: &str = &rest[..rest.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(rest.len())];
            number.starts_with("0.") && number.parse() == Ok(0.)
        });
        assert_eq!(negative_zero, None, "{name} has a negative zero");
        assert!(overview.lines().all(|line| line.chars().count() <= 80), "{name}:\n{overview}");
        if let Some(preview) = &preview {
            fs::write(preview.join(format!("{name}.md")), page).unwrap();
            fs::write(preview.join(format!("{name}.txt")), overview).unwrap();
            figures.iter().for_each(|figure| {
                fs::write(preview.join(format!("{name}_{}", figure.file)), &figure.svg).unwrap();
            });
        }
    }
}
