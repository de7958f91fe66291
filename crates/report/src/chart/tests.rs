use super::{
    draw::svg as drawn,
    model::{Axis, Chart, ChartKind, DataPoint, Panel},
    spec::Guides,
};

/// All texts of a picture, which must be well-formed and hold no number that is none.
pub fn texts(svg: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(svg).unwrap();
    assert!(!svg.contains("NaN"), "{svg}");
    let texts = document.descendants().filter(|node| node.has_tag_name("text"));
    texts.map(|node| node.text().unwrap_or_default().trim().to_string()).collect()
}

pub fn has(texts: &[String], text: &str) -> bool {
    texts.iter().any(|other| other == text)
}

fn chart(is_log: bool, kind: ChartKind, series: &[(&str, &[(f64, f64)])]) -> Chart {
    let axis = |label: &str| Axis { label: label.into(), is_log };
    let points = |series: usize, points: &[(f64, f64)]| -> Vec<DataPoint> {
        points.iter().map(|&(x, y)| DataPoint { series, x, y, error: Some(0.1 * y), ..DataPoint::default() }).collect()
    };
    Chart {
        title: "A <title> & more".into(),
        note: "A note.".into(),
        x: axis("x"),
        y: axis("y"),
        kind,
        guides: Guides::default(),
        series: series.iter().map(|(name, _)| name.to_string()).collect(),
        panels: vec![Panel {
            title: "a panel".into(),
            groups: Vec::new(),
            points: series.iter().enumerate().flat_map(|(number, series)| points(number, series.1)).collect(),
            ..Panel::default()
        }],
        ..Chart::default()
    }
}

#[test]
fn a_line_chart_names_all_there_is_and_is_the_same_every_time() {
    let chart = chart(false, ChartKind::Lines, &[("fc", &[(1., 2.), (2., 3.)]), ("gap", &[(1., 1.), (3., 2.5)])]);
    let svg = drawn(&chart).unwrap().unwrap();
    let texts = texts(&svg);
    for text in ["A <title> & more", "A note.", "x", "y", "a panel", "fc", "gap"] {
        assert!(has(&texts, text), "{text} is not in {texts:?}");
    }
    assert_eq!(Some(svg), drawn(&chart).unwrap());
    assert_eq!(chart.alternative_text(), "A <title> & more: a panel (fc, gap)");
}

#[test]
fn a_panel_shows_the_range_of_all_panels_or_its_own() {
    let mut chart = chart(false, ChartKind::Lines, &[("fc", &[(1., 2.), (4., 3.)])]);
    let long = DataPoint { x: 64., y: 2., ..DataPoint::default() };
    chart.panels.push(Panel { points: vec![long, DataPoint { x: 7., ..long }], ..Panel::default() });
    let ticks_at_60 =
        |chart: &Chart| texts(&drawn(chart).unwrap().unwrap()).iter().filter(|text| *text == "60").count();
    assert_eq!(ticks_at_60(&chart), 2);
    chart.has_own_x = true;
    assert_eq!(ticks_at_60(&chart), 1);
}

#[test]
fn double_logarithmic_lines_show_their_exponents() {
    let square: Vec<_> = [28., 56., 112.].map(|x| (x, 3. * x * x)).to_vec();
    let svg =
        chart(true, ChartKind::Lines, &[("fc", &square), ("gap", &[(28., 640.), (112., 640.)]), ("one", &[(9., 9.)])]);
    let texts = texts(&drawn(&svg).unwrap().unwrap());
    assert!(has(&texts, "fc 2.00") && has(&texts, "gap 0.00") && has(&texts, "one"), "{texts:?}");
}

#[test]
fn what_has_no_place_is_left_out_with_its_name() {
    let bad: &[(f64, f64)] = &[(0., 1.), (-1., 1.), (1., 0.), (f64::NAN, 1.), (1., f64::INFINITY), (1e305, 1.)];
    let texts = texts(&drawn(&chart(true, ChartKind::Lines, &[("bad", bad), ("good", &[(1., 1.)])])).unwrap().unwrap());
    assert!(texts.iter().any(|text| text.starts_with("good")) && !texts.iter().any(|text| text.contains("bad")));
    assert_eq!(drawn(&chart(true, ChartKind::Lines, &[("bad", bad)])).unwrap(), None);
}

#[test]
fn constant_single_and_huge_values_are_drawn() {
    let sets: [&[(f64, f64)]; 4] =
        [&[(5., 5.)], &[(1., 0.), (2., 0.)], &[(1., 1e299), (1e299, -1e299)], &[(1., 1e-200), (2., 1.)]];
    for points in sets {
        for (is_log, kind) in [(false, ChartKind::Lines), (true, ChartKind::Lines), (false, ChartKind::Points)] {
            if let Some(svg) = drawn(&chart(is_log, kind, &[("fc", points)])).unwrap() {
                assert!(texts(&svg).len() > 5, "{points:?}");
            }
        }
    }
}

#[test]
fn bars_have_names_heights_from_zero_and_the_line_of_chance() {
    let heights = [[Some(40.), Some(60.)], [Some(80.), None], [None; 2]];
    let points = heights.iter().enumerate().flat_map(|(group, heights)| {
        let bar = move |(series, height): (usize, &Option<f64>)| {
            height.map(|y| DataPoint { series, x: group as f64, y, error: Some(2.), chance: Some(25.), name: None })
        };
        heights.iter().enumerate().filter_map(bar)
    });
    let groups = ["fc", "gap", "none"].map(String::from).to_vec();
    let panel = Panel { title: "a panel".into(), groups, points: points.collect(), ..Panel::default() };
    let mut chart = chart(false, ChartKind::Bars, &[("pointing", &[]), ("energy", &[])]);
    chart.panels = vec![panel];
    let svg = drawn(&chart).unwrap().unwrap();
    let texts = texts(&svg);
    for text in ["A <title> & more", "pointing", "energy", "chance", "fc", "gap", "0"] {
        assert!(has(&texts, text), "{text} is not in {texts:?}");
    }
    assert!(!has(&texts, "none"));
    let document = roxmltree::Document::parse(&svg).unwrap();
    let bars = document.descendants().filter(|node| node.has_tag_name("rect") && !node.has_attribute("class"));
    let heights: Vec<f64> = bars.map(|node| node.attribute("height").unwrap().parse().unwrap()).collect();
    let [_sheet, _, _, pointing_fc, pointing_gap, energy_fc] = heights[..] else {
        panic!("not a sheet, two signs in the legend and three bars: {heights:?}")
    };
    assert!((pointing_gap / pointing_fc - 2.).abs() < 0.02, "{heights:?}");
    assert!((energy_fc / pointing_fc - 1.5).abs() < 0.02, "{heights:?}");
}

#[test]
fn the_first_fourteen_series_have_colours_of_their_own() {
    let series: Vec<(String, [(f64, f64); 1])> = (0..14).map(|i| (format!("head {i}"), [(f64::from(i), 1.)])).collect();
    let series: Vec<(&str, &[(f64, f64)])> =
        series.iter().map(|(name, points)| (name.as_str(), points.as_slice())).collect();
    let svg = drawn(&chart(false, ChartKind::Points, &series)).unwrap().unwrap();
    let document = roxmltree::Document::parse(&svg).unwrap();
    let markers = document.descendants().filter(|node| node.has_tag_name("polygon"));
    let colours: std::collections::HashSet<&str> = markers.filter_map(|node| node.attribute("fill")).collect();
    assert_eq!(colours.len(), 14);
}
