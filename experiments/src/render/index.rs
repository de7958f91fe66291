//! The page of a folder of suites.

use super::markdown::table;
use crate::statistics::Verdict;

/// What the page begins with: no other page is written over.
const MARKER: &str = "<!-- Written by `experiments report`. -->\n";

/// A suite's folder.
pub struct Entry {
    pub name: String,
    pub question: String,
    pub runs: usize,
    pub verdicts: Vec<Verdict>,
}

pub fn is_index(page: &str) -> bool {
    page.starts_with(MARKER)
}

/// The suites, and all claims that they test.
pub fn index(entries: &[Entry]) -> String {
    let titles = |titles: &[&str]| titles.iter().map(|title| title.to_string()).collect::<Vec<_>>();
    let link = |entry: &Entry| format!("[{0}]({0}/README.md)", entry.name);
    let suites = entries.iter().map(|entry| vec![link(entry), entry.question.clone(), entry.runs.to_string()]);
    let mut page = format!("{MARKER}# Results\n\n{}\n", table(&titles(&["suite", "question", "runs"]), 2, suites));
    let verdicts = entries.iter().flat_map(|entry| entry.verdicts.iter().map(move |verdict| (entry, verdict)));
    let claims: Vec<Vec<String>> = verdicts
        .map(|(entry, Verdict { claim, verdict, figure })| {
            vec![claim.clone(), format!("**{verdict}**"), figure.clone(), link(entry)]
        })
        .collect();
    if !claims.is_empty() {
        let titles = titles(&["claim", "verdict", "figures", "suite"]);
        page += &format!("## Claims, tested\n\n{}\n", table(&titles, 4, claims.into_iter()));
    }
    page
}
