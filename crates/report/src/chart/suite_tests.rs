use records::{Estimate, MeasuredPoint, Metric, Number, Row, rows as aggregate, samples::record};

use super::{
    PlotSpec, figures,
    tests::{has, texts as svg_texts},
};
use crate::Figure;

/// All texts of a figure.
fn texts(figure: &Figure) -> Vec<String> {
    svg_texts(&figure.svg)
}

/// Two models, three heads, two inputs, and what a suite may measure.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let estimate = |mean| Some(Estimate { n: 3, mean, sd: Some(1.), ci95: Some(1.5) });
    for (model, side) in [("two-conv", 28), ("two-conv", 56), ("nin", 28), ("nin", 56)] {
        for (order, head) in ["fc", "gap", "gmp-fc"].into_iter().enumerate() {
            let mut row = aggregate(&[record(head, order, 0, 0.9), record(head, order, 1, 0.95)]).remove(0);
            row.model = model.into();
            row.input = format!("1x{side}x{side}");
            let macs = Metric::ALL.iter().position(|metric| *metric == Metric::Macs).unwrap();
            row.numbers[macs] = Some(Number::Count([10, 7, 3][order] * side * side));
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
    let (figures, left_out) = figures(&plots, &rows()).unwrap();
    assert_eq!(left_out, ["nothing", "nothing-either"]);
    let [macs, robustness, shift, localisation] = &figures[..] else { panic!("{} figures", figures.len()) };
    assert_eq!(shift.file, "shift.svg");
    assert_eq!(
        shift.alternative,
        "Shifted: two-conv on mnist-mini, 1x28x28; two-conv on mnist-mini, 1x56x56; nin on mnist-mini, 1x28x28; nin on \
         mnist-mini, 1x56x56 (fc, gap, gmp-fc)"
    );
    let macs = texts(macs);
    assert!(
        macs.iter().filter(|text| *text == "fc 2.00").count() == 2
            && has(&macs, "two-conv on mnist-mini")
            && has(&macs, "nin on mnist-mini")
    );
    let robustness = texts(robustness);
    assert!(has(&robustness, "two-conv on mnist-mini, 1x28x28, shift"), "{robustness:?}");
    assert!(has(&robustness, "nin on mnist-mini, 1x56x56, noise") && has(&robustness, "test top-1 (%)"));
    assert!(has(&texts(localisation), "chance"));
}

#[test]
fn few_seeds_are_described_by_their_deviation_and_many_by_the_means_interval() {
    let notes = [9, 10].map(|seeds| {
        let rows = rows().into_iter().map(|row| Row { seeds, ..row }).collect::<Vec<_>>();
        texts(&figures(&[], &rows).unwrap().0[0])
    });
    assert!(notes[0].iter().any(|text| text.contains("standard deviation")), "{notes:?}");
    assert!(notes[1].iter().any(|text| text.contains("confidence interval")), "{notes:?}");
}

#[test]
fn where_a_suite_names_no_plots_accuracy_is_drawn_over_parameters() {
    let (drawn, _) = figures(&[], &rows()).unwrap();
    assert_eq!(drawn.len(), 1);
    assert_eq!(drawn[0].file, "accuracy-vs-parameters.svg");
    let texts = texts(&drawn[0]);
    for text in ["fc", "gap", "gmp-fc", "parameters", "test top-1 (%)"] {
        assert!(has(&texts, text), "{text} is not in {texts:?}");
    }
    let (nothing, left_out) = figures(&[], &[]).unwrap();
    assert!(nothing.is_empty() && left_out == ["accuracy-vs-parameters"]);
}
