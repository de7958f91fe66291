use std::fs;

use super::{
    bars::{Bar, BarChart, BarPanel, Group},
    points::{Axis, Joined, Panel, Point, PointChart, Series},
    *,
};
use crate::aggregate::{Estimate, MeasuredPoint, aggregate, tests::record};

/// All texts of a picture, which must be well-formed and hold no number that is none.
fn texts(svg: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(svg).unwrap();
    assert!(!svg.contains("NaN"), "{svg}");
    let texts = document.descendants().filter(|node| node.has_tag_name("text"));
    texts.map(|node| node.text().unwrap_or_default().trim().to_string()).collect()
}

fn count(svg: &str, tag: &str) -> usize {
    roxmltree::Document::parse(svg).unwrap().descendants().filter(|node| node.has_tag_name(tag)).count()
}

fn has(texts: &[String], text: &str) -> bool {
    texts.iter().any(|other| other == text)
}

fn chart(log: bool, joined: Joined, series: &[(&str, &[(f64, f64)])]) -> PointChart {
    let axis = |label: &str| Axis { label: label.into(), log };
    let points = |points: &[(f64, f64)]| points.iter().map(|&(x, y)| Point { x, y, error: Some(0.1 * y) }).collect();
    PointChart {
        title: "A <title> & more".into(),
        note: "A note.".into(),
        x: axis("x"),
        y: axis("y"),
        joined,
        names: series.iter().map(|(name, _)| name.to_string()).collect(),
        panels: vec![Panel {
            title: "a panel".into(),
            series: series.iter().enumerate().map(|(name, s)| Series { name, points: points(s.1) }).collect(),
        }],
    }
}

#[test]
fn a_line_chart_names_all_there_is_and_is_the_same_every_time() {
    let chart = chart(false, Joined::Line, &[("fc", &[(1., 2.), (2., 3.)]), ("gap", &[(1., 1.), (3., 2.5)])]);
    let svg = chart.svg().unwrap().unwrap();
    let texts = texts(&svg);
    for text in ["A <title> & more", "A note.", "x", "y", "a panel", "fc", "gap"] {
        assert!(has(&texts, text), "{text} is not in {texts:?}");
    }
    assert_eq!(Some(svg), chart.svg().unwrap());
}

#[test]
fn double_logarithmic_lines_show_their_exponents() {
    let square: Vec<_> = [28., 56., 112.].map(|x| (x, 3. * x * x)).to_vec();
    let svg =
        chart(true, Joined::Line, &[("fc", &square), ("gap", &[(28., 640.), (112., 640.)]), ("one", &[(9., 9.)])]);
    let texts = texts(&svg.svg().unwrap().unwrap());
    assert!(has(&texts, "fc 2.00") && has(&texts, "gap 0.00") && has(&texts, "one"), "{texts:?}");
}

#[test]
fn what_has_no_place_is_left_out_with_its_name() {
    let bad: &[(f64, f64)] = &[(0., 1.), (-1., 1.), (1., 0.), (f64::NAN, 1.), (1., f64::INFINITY), (1e305, 1.)];
    let texts = texts(&chart(true, Joined::Line, &[("bad", bad), ("good", &[(1., 1.)])]).svg().unwrap().unwrap());
    assert!(texts.iter().any(|text| text.starts_with("good")) && !texts.iter().any(|text| text.contains("bad")));
    assert_eq!(chart(true, Joined::Line, &[("bad", bad)]).svg().unwrap(), None);
}

#[test]
fn constant_single_and_huge_values_are_drawn() {
    let sets: [&[(f64, f64)]; 4] =
        [&[(5., 5.)], &[(1., 0.), (2., 0.)], &[(1., 1e299), (1e299, -1e299)], &[(1., 1e-200), (2., 1.)]];
    for points in sets {
        for (log, joined) in [(false, Joined::Line), (true, Joined::Line), (false, Joined::Named)] {
            if let Some(svg) = chart(log, joined, &[("fc", points)]).svg().unwrap() {
                assert!(texts(&svg).len() > 5, "{points:?}");
            }
        }
    }
}

#[test]
fn bars_have_names_heights_from_zero_and_the_line_of_chance() {
    let group = |name: &str, heights: &[Option<f64>]| Group {
        name: name.into(),
        bars: heights
            .iter()
            .map(|height| height.map(|height| Bar { height, error: Some(2.), chance: Some(25.) }))
            .collect(),
    };
    let groups =
        vec![group("fc", &[Some(40.), Some(60.)]), group("gap", &[Some(80.), None]), group("none", &[None; 2])];
    let chart = BarChart {
        title: "Bars".into(),
        note: String::new(),
        y_label: "%".into(),
        names: vec!["pointing".into(), "energy".into()],
        panels: vec![BarPanel { title: "a panel".into(), groups }],
    };
    let svg = chart.svg().unwrap().unwrap();
    let texts = texts(&svg);
    for text in ["Bars", "pointing", "energy", "chance", "fc", "gap", "0"] {
        assert!(has(&texts, text), "{text} is not in {texts:?}");
    }
    assert!(!has(&texts, "none"));
    assert_eq!(count(&svg, "rect"), 1 + 3 + 2, "the sheet, three bars, two signs");
    let bars = roxmltree::Document::parse(&svg).unwrap();
    let heights: Vec<f64> = bars
        .descendants()
        .filter(|node| node.has_tag_name("rect"))
        .skip(1)
        .take(3)
        .map(|node| node.attribute("height").unwrap().parse().unwrap())
        .collect();
    assert!((heights[2] / heights[0] - 2.).abs() < 0.02 && (heights[1] / heights[0] - 1.5).abs() < 0.02, "{heights:?}");
}

/// Two models, three heads, two inputs, and what a suite may measure.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let estimate = |mean| Some(Estimate { mean, sd: Some(1.), ci95: Some(1.5) });
    for (model, side) in [("two-conv", 28), ("two-conv", 56), ("nin", 28), ("nin", 56)] {
        for (order, head) in ["fc", "gap", "gmp-fc"].into_iter().enumerate() {
            let mut row = aggregate(&[record(head, order, 0, 0.9), record(head, order, 1, 0.95)], &[]).0.remove(0);
            row.model = model.into();
            row.input = format!("1x{side}x{side}");
            row.macs = [10, 7, 3][order] * side * side;
            let point = |measure: &str, setting: Option<&str>, at, mean| MeasuredPoint {
                measure: measure.into(),
                setting: setting.map(str::to_string),
                at,
                estimate: estimate(mean),
            };
            row.measures =
                (0..4).map(|at| point("top1", Some("shift"), Some(at.into()), 90. - f64::from(at))).collect();
            row.measures.extend((1..4).map(|at| point("top1", Some("noise"), Some(at.into()), 80.)));
            row.measures.extend(["pointing", "chance"].map(|measure| point(measure, None, None, 40.)));
            rows.push(row);
        }
    }
    rows
}

fn specs(text: &str) -> Vec<PlotSpec> {
    #[derive(serde::Deserialize)]
    struct File {
        plots: Vec<PlotSpec>,
    }
    toml::from_str::<File>(text).unwrap().plots
}

#[test]
fn a_suites_plots_are_written_and_shown_and_those_without_data_left_out() {
    let plots = specs(
        r#"
        plots = [
            { kind = "line", file = "macs", x = "input", y = "macs", log = "xy" },
            { kind = "line", file = "robustness", measure = "top1" },
            { kind = "line", file = "shift", measure = "top1", setting = "shift", title = "Shifted" },
            { kind = "bars", file = "localisation", measures = ["pointing"], chance = "chance" },
            { kind = "line", file = "nothing", measure = "unheard-of" },
            { kind = "bars", file = "nothing-either", measures = ["top1"] },
        ]"#,
    );
    let folder = tempfile::tempdir().unwrap();
    let lines = draw(&plots, &rows(), &folder.path().join("new")).unwrap();
    let read = |file: &str| fs::read_to_string(folder.path().join("new").join(file)).unwrap();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert_eq!(
        lines[2],
        "![Shifted: two-conv on mnist-mini, 1x28x28; two-conv on mnist-mini, 1x56x56; nin on \
                          mnist-mini, 1x28x28; nin on mnist-mini, 1x56x56](shift.svg)"
    );

    let macs = texts(&read("macs.svg"));
    assert!(has(&macs, "fc 2.00, 2.00") && has(&macs, "two-conv on mnist-mini") && has(&macs, "nin on mnist-mini"));
    let robustness = texts(&read("robustness.svg"));
    assert!(has(&robustness, "two-conv on mnist-mini, 1x28x28, shift"), "{robustness:?}");
    assert!(has(&robustness, "nin on mnist-mini, 1x56x56, noise") && has(&robustness, "test top-1 (%)"));
    assert!(has(&texts(&read("localisation.svg")), "chance"));
    assert!(!folder.path().join("new/nothing.svg").exists());
}

#[test]
fn few_seeds_are_described_by_their_deviation_and_many_by_the_means_interval() {
    let notes = [9, 10].map(|seeds| {
        let folder = tempfile::tempdir().unwrap();
        let rows = rows().into_iter().map(|row| Row { seeds, ..row }).collect::<Vec<_>>();
        draw(&[], &rows, folder.path()).unwrap();
        texts(&fs::read_to_string(folder.path().join("accuracy-vs-parameters.svg")).unwrap())
    });
    assert!(notes[0].iter().any(|text| text.contains("standard deviation")), "{notes:?}");
    assert!(notes[1].iter().any(|text| text.contains("confidence interval")), "{notes:?}");
}

#[test]
fn where_a_suite_names_no_plots_accuracy_is_drawn_over_parameters() {
    let folder = tempfile::tempdir().unwrap();
    let lines = draw(&[], &rows(), folder.path()).unwrap();
    assert!(lines[0].ends_with("(accuracy-vs-parameters.svg)") && lines.len() == 1);
    let texts = texts(&fs::read_to_string(folder.path().join("accuracy-vs-parameters.svg")).unwrap());
    for text in ["fc", "gap", "gmp-fc", "parameters", "test top-1 (%)"] {
        assert!(has(&texts, text), "{text} is not in {texts:?}");
    }
    assert_eq!(draw(&[], &[], folder.path()).unwrap(), Vec::<String>::new());
}
