//! The committed pages of results, read as a person does.

use std::path::{Path, PathBuf};

use anyhow::Result;
use browser_tests::Page;
use serde_json::Value;

fn results() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../results")
}

fn texts(page: &Page, selector: &str) -> Result<Vec<String>> {
    let script = format!("[...document.querySelectorAll({selector:?})].map((node) => node.textContent)");
    let Value::Array(texts) = page.evaluate(&script)? else { return Ok(Vec::new()) };
    Ok(texts.iter().map(|text| text.as_str().unwrap_or_default().to_string()).collect())
}

#[test]
fn the_leaderboard_sorts_and_filters_by_a_click() -> Result<()> {
    let Some(page) = Page::open(&results().join("leaderboard.html"), 1280, false)? else { return Ok(()) };
    let parameters = "table tbody tr:not([hidden]) td:nth-child(8)";
    let numbers = |page: &Page| -> Result<Vec<f64>> {
        let texts = texts(page, parameters)?;
        Ok(texts.iter().map(|text| text.replace(',', "").parse().unwrap()).collect())
    };
    let all = numbers(&page)?;
    assert!(all.len() > 50 && !all.is_sorted(), "{all:?}");
    let title = "[...document.querySelectorAll('thead button')].find((button) => button.textContent === 'parameters')";
    page.evaluate(&format!("{title}.click()"))?;
    assert!(numbers(&page)?.is_sorted_by(|a, b| a >= b), "the first click shows the largest first");
    page.evaluate(&format!("{title}.click()"))?;
    assert!(numbers(&page)?.is_sorted(), "the second click turns the order");
    assert_eq!(page.evaluate(&format!("{title}.parentElement.ariaSort"))?, "ascending");

    page.evaluate(
        "(() => { const select = document.querySelector('.filters select'); select.value = 'mnist';
           select.dispatchEvent(new Event('input', { bubbles: true })); })()",
    )?;
    let sets = texts(&page, "table tbody tr:not([hidden]) th:first-child")?;
    assert!(sets.len() > 3 && sets.iter().all(|set| set == "mnist"), "{sets:?}");
    let shown = texts(&page, ".filters output")?;
    assert_eq!(shown, [format!("{} of {} rows", sets.len(), all.len())]);
    page.close()
}

#[test]
fn every_page_shows_itself_at_every_width_without_asking_for_anything() -> Result<()> {
    let mut files = vec![results().join("report.html"), results().join("leaderboard.html")];
    for entry in std::fs::read_dir(results())? {
        files.push(entry?.path().join("report.html"));
    }
    for file in files.iter().filter(|file| file.is_file()) {
        let name = file.strip_prefix(results())?.display().to_string().replace('/', "-");
        // A table or figure that is too wide for a phone scrolls by itself; on a desk, only the pages above the suites are tried.
        let both: &[(u32, bool)] = &[(390, true), (1280, false)];
        for &(width, dark) in if name.contains('-') { &both[..1] } else { both } {
            let Some(page) = Page::open(file, width, dark)? else { return Ok(()) };
            let too_wide = page.evaluate(
                "[...document.querySelectorAll('main > *, header > *')].filter((node) => node.getBoundingClientRect().right > innerWidth)
                   .map((node) => `${node.tagName} ${node.textContent.slice(0, 40)}`)",
            )?;
            assert_eq!(too_wide, serde_json::json!([]), "{name} at {width} pixels");
            let unnamed =
                page.evaluate("[...document.querySelectorAll('img:not([alt]), [role=img]:not([aria-label])')].length")?;
            assert_eq!(unnamed, 0, "{name} has pictures without words");
            page.picture(&format!("{name}-{width}"))?;
            page.close()?;
        }
    }
    Ok(())
}
