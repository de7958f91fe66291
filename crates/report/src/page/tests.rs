use records::{
    LeftOut, Record, Round, Rounds, Row, rows,
    samples::{CLAIM_IN_PARTS, diverged, record, runs},
    select,
};
use serde::Deserialize;
use statistics::{Claim, Comparison, compare, judge};

use crate::{
    Advice, Document, Figure, Image, SuiteEntry, SuiteReport, fill, index_page, left_out, markdown, suite_overview,
    suite_page, summary_csv, terminal,
};

fn records() -> Vec<Record> {
    let mut one_seed = record("gap", 2, 0, 0.9335);
    one_seed.curve[0].val_top1 = Some(0.93);
    one_seed.speed = None;
    vec![
        record("fc", 0, 0, 0.98),
        record("fc", 0, 1, 0.985),
        record("fc:120,84", 1, 0, 0.97),
        one_seed,
        diverged("gmp", 3, 0),
    ]
}

fn selected() -> (Vec<Record>, Vec<Row>, Vec<LeftOut>) {
    let (records, left_out) = select(&records(), None);
    let rows = rows(&records);
    (records, rows, left_out)
}

#[test]
fn the_terminal_shows_a_table_per_model_with_units() {
    let (records, rows, _) = selected();
    let suite = SuiteReport { records: &records, rows: &rows, ..SuiteReport::default() };
    let text = terminal(&suite_overview(&suite), 80);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn the_csv_has_the_columns_scripts_rely_on_and_leaves_empty_what_one_seed_cannot_give() {
    insta::assert_snapshot!(summary_csv(&selected().1).unwrap());
}

#[test]
fn the_page_has_question_protocol_tables_and_notes() {
    let (records, rows, left_out) = selected();
    let figure = Figure { file: "plot.svg".into(), svg: String::new(), alternative: "a plot".into() };
    let image = Image { file: "maps.png".into(), alternative: "maps".into(), caption: "What they show.".into() };
    let (figures, images) = (&[figure], &[image]);
    let suite =
        SuiteReport { records: &records, rows: &rows, left_out: &left_out, figures, images, ..SuiteReport::default() };
    insta::assert_snapshot!(markdown(&suite_page(&suite)));
}

#[test]
fn what_is_left_out_is_named_with_the_reason() {
    let twice = [record("fc", 0, 0, 0.98), record("fc", 0, 0, 0.98)];
    let other = Record { config_hash: "another".into(), ..record("gap", 1, 0, 0.5) };
    let gap = [other, record("gap", 1, 0, 0.98), record("gap", 1, 1, 0.98), diverged("gap", 1, 2)];
    let (_, named) = select(&[&twice[..], &gap].concat(), None);
    let reasons: Vec<String> = named.iter().map(left_out).collect();
    assert_eq!(
        reasons,
        [
            "Left out: mnist-mini two-conv fc seed 0: it occurs twice.",
            "Left out: mnist-mini two-conv gap: 1 record of another configuration (another).",
            "Left out: mnist-mini two-conv gap seed 2: diverged: the loss or the weights were no longer finite in epoch 1, \
             step 12.",
        ]
    );
    let unreadable = LeftOut::Unreadable { path: "runs/a.txt".into(), reason: "its name does not end in .json".into() };
    assert_eq!(left_out(&unreadable), "Left out: runs/a.txt: its name does not end in .json.");
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    comparisons: Vec<Comparison>,
    #[serde(default)]
    claims: Vec<Claim>,
}

const TOP1: &str = r#"
[[comparisons]]
name = "gap against fc"
primary = true
a = { model = "two-conv", head = "gap" }
b = { model = "two-conv", head = "fc" }
"#;

fn claim(expect: &str) -> String {
    format!("[[claims]]\nclaim = \"Said\"\ntests = [{{ comparison = \"gap against fc\", expect = {expect} }}]\n")
}

/// Renders the comparisons and claims of a suite as Markdown.
fn section(text: &str, records: &[Record]) -> String {
    let File { comparisons, claims } = toml::from_str(text).unwrap();
    let compared = compare(&comparisons, &claims, records).unwrap();
    let judged = judge(&claims, &compared);
    let mut page = Document::default();
    super::claims::answer(&mut page, &judged);
    super::comparisons::comparisons(&mut page, &compared);
    super::claims::claims(&mut page, &judged);
    markdown(&page)
}

#[test]
fn the_page_has_a_table_of_comparisons_and_one_of_claims() {
    let counted = TOP1
        .replace("gap against fc", "size")
        .replace("primary = true", "metric = \"head_param_count\"\nby = \"ratio\"");
    let records = [runs("gap", 10, 350), runs("fc", 10, 390)].concat();
    insta::assert_snapshot!(section(&format!("{TOP1}{counted}{}", claim("\"greater\"")), &records));
}

#[test]
fn a_suite_without_comparisons_has_no_section() {
    assert_eq!(section("", &runs("gap", 1, 390)), "");
}

#[test]
fn a_test_has_figure_interval_expectation_p_value_and_verdict() {
    let records = [runs("gap", 10, 390), runs("fc", 10, 350)].concat();
    let page = section(&format!("{TOP1}{}", claim("\"less\"")), &records);
    assert!(page.contains("| Said |  | +10.00 points [+7."), "{page}");
    assert!(page.contains("]; expected: less | > 0.99 | **no** |"), "{page}");
    assert!(page.contains("“Said”: no (+10.00 points [+7."), "the answer: {page}");
    // The p-value tests what the margin states.
    let page = section(&format!("{TOP1}{}", claim("{ at-least = -1.0 }")), &records);
    assert!(page.contains("]; expected: at least −1 | < 0.001 | **yes** |"), "{page}");
    // At most a fifth more errors.
    let errors = TOP1.replace("primary = true", "primary = true\nmetric = \"top1_err\"\nby = \"ratio\"");
    let page = section(&format!("{errors}{}", claim("{ at-most = 1.2 }")), &records);
    assert!(page.contains("| 0.19 times [0."), "{page}");
    assert!(page.contains("]; expected: at most 1.2 | < 0.001 | **yes** |"), "{page}");
}

#[test]
fn what_is_descriptive_diverged_or_not_measured_is_called_that() {
    let text = format!("{TOP1}{}", claim("\"greater\""));
    let page = section(&text, &[runs("gap", 9, 390), runs("fc", 12, 350)].concat());
    assert!(page.contains("| 9 | – | – | descriptive |"), "{page}");
    let few =
        "| Said |  | +10.00 points (97.75 ± 0.22 against 87.75 ± 0.22); expected: greater | – | **descriptive** |";
    assert!(page.contains(few), "means and deviations instead of an interval: {page}");

    let mut records = [runs("gap", 11, 390), runs("fc", 10, 350)].concat();
    records.push(diverged("fc", 0, 10));
    assert!(section(TOP1, &records).contains("| 10 (diverged: 1) |"));

    assert_eq!(section(&text, &runs("gap", 10, 390)), "", "of one head there is nothing to compare");

    let page = section(&text, &[runs("gap", 1, 390), runs("fc", 1, 350)].concat());
    assert!(page.contains("**descriptive**") && page.contains("one seed has no interval"), "{page}");

    let mut elsewhere = runs("fc", 10, 350);
    elsewhere.iter_mut().for_each(|run| run.config.dataset = "mnist".into());
    let page = section(&text, &[runs("gap", 10, 390), elsewhere].concat());
    assert!(page.contains("not the same test images"), "{page}");
}

#[test]
fn a_claim_has_a_row_for_each_test_that_was_measured() {
    let page = section(CLAIM_IN_PARTS, &[runs("gap", 10, 390), runs("gmp", 10, 300), runs("fc", 10, 350)].concat());
    let rows: Vec<&str> = page.lines().filter(|line| line.contains("expected:") && line.starts_with('|')).collect();
    let [gap, gmp] = rows[..] else { panic!("not two rows in {page}") };
    assert!(gap.starts_with("| Pooling wins | with gap | +10.00") && gap.ends_with("| **yes** |"), "{gap}");
    assert!(gmp.starts_with("|  | with gmp | −12.50") && gmp.ends_with("| – | **descriptive** |"), "{gmp}");
}

#[test]
fn ratios_have_the_digits_that_matter() {
    let text = |metric: &str, expect: &str| {
        let text = TOP1.replace("primary = true", &format!("metric = \"{metric}\"\nby = \"ratio\""));
        format!("{text}{}", claim(expect))
    };
    let mut gap = runs("gap", 3, 390);
    gap.iter_mut().for_each(|run| run.head_param_count = 650);
    let timed = |run: &mut Record, latency: f64| {
        let round =
            |factor| Round { train_samples_per_sec: 1., infer_samples_per_sec: 1., latency_us: latency * factor };
        let rounds = Rounds { began_unix_ms: 0, each: [0.98, 1., 1.01, 1.02].map(round).to_vec() };
        run.speed.as_mut().unwrap().rounds = Some(rounds);
    };
    gap.iter_mut().for_each(|run| timed(run, 200.));
    gap[0].speed.as_mut().unwrap().rounds.as_mut().unwrap().each[0].latency_us = 190.;
    let mut fc = runs("fc", 3, 390);
    fc.iter_mut().for_each(|run| timed(run, 300.));
    let records = [gap, fc].concat();
    let without: Vec<Record> = records.iter().map(|run| Record { activations: 0, ..run.clone() }).collect();
    for (metric, expect, records, figure) in [
        ("head_param_count", "{ at-most = 0.05 }", &records, "0.041 times; expected: at most 0.05"),
        ("activations", "\"less\"", &without, "not measured: no ratio, because that of two-conv fc is 0"),
        ("latency_us", "\"less\"", &records, "0.66 times [0.65, 0.68]; expected: less"),
    ] {
        let page = section(&text(metric, expect), records);
        assert!(page.contains(&format!("| {figure} ")), "{figure} is not in {page}");
    }
}

#[test]
fn the_index_has_advice_then_statements_with_their_tests_then_suites() {
    let text = format!("{TOP1}{}{CLAIM_IN_PARTS}", claim("\"less\"").replace("tests", "statement = \"S2\"\ntests"));
    let File { comparisons, claims } = toml::from_str(&text).unwrap();
    let records = [runs("gap", 10, 390), runs("gmp", 10, 380), runs("fc", 10, 350)].concat();
    let compared = compare(&comparisons, &claims, &records).unwrap();
    let judged = judge(&claims, &compared);
    let entry =
        SuiteEntry { name: "heads", question: "What does the head cost?", runs: 20, missing: 0, judged: &judged };
    let text = fill("Take `gap`: {a} % against {b} %, {value}, {verdict}, {b2} %", &judged[0], Some(&judged[0]));
    assert!(
        text.starts_with("Take `gap`: 97.72 % against 87.72 %, +10.00 points [+7.") && text.ends_with("], no, 87.72 %"),
        "{text}"
    );
    let advice = [Advice { text, suite: "heads", step: None }];
    let statements = [("S1", "Deep is slow"), ("S2", "Small is fast")];
    let page = markdown(&index_page(&advice, &statements, &[entry], true));
    let place = |part: &str| page.find(part).unwrap_or_else(|| panic!("{part} is not in {page}"));
    let parts = [
        "## Which head should I take?",
        "Take `gap`: 97.72 %",
        "], no, 87.72 % ([heads](heads/README.md)). ",
        "| S2. Small is fast | Said |  | +10.00 points [+7.",
        "; expected: less | **no** | [heads](heads/README.md) |",
        "| Our own questions | Pooling wins | with gap | +10.00 points",
        "|  |  | with gmp | +7.50 points",
        "| [heads](heads/README.md) | What does the head cost? | 20 |",
        "\n[bench](bench/README.md) compares the speed with other programs.\n",
    ];
    assert!(parts.map(place).is_sorted(), "{page}");
    assert!(!page.contains("Deep is slow"), "a statement without a test has no row: {page}");
}
