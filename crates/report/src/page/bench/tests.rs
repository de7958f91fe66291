use std::collections::BTreeMap;

use unicode_width::UnicodeWidthStr;

use super::*;

const RATIO: Ratio = Ratio { median: 3.402, least: 2.934, most: 3.81 };

fn row(network: &str, task: BenchTask, samples_per_sec: f64) -> BenchRow {
    let is_training = matches!(task, BenchTask::Training(_));
    let bound = if is_training { Bound::Product } else { Bound::Memory };
    BenchRow {
        network: network.into(),
        input: [3, 96, 96],
        task,
        samples_per_sec,
        gflops: 118.2,
        roofline: Some(Roofline { gb_per_sec: 4.23, bound, share: 0.874 }),
        peak_rss_mb: is_training.then_some(211.4),
        joules_per_image: None,
        scaling: is_training.then(|| Scaling {
            serial_share: 0.0213,
            bounds: BTreeMap::from([(2, 1.96), (4, 3.77), (8, 6.96), (16, 12.04)]),
        }),
        one_thread: Some(RATIO),
        peers: vec![Some(RATIO), Some(Ratio { median: 1.5, least: 1.21, most: 1.9 }), None],
    }
}

fn rows() -> Vec<BenchRow> {
    vec![
        row("two-conv fc:128", BenchTask::Training(64), 7459.),
        row("mobilenet-v1@0.25 gap-fc", BenchTask::Inference(256), 29_242.),
        BenchRow { peers: vec![None; 3], ..row("mobilenet-v1@0.25 gap-fc", BenchTask::Latency, 16_666.) },
    ]
}

fn conditions() -> Conditions {
    Conditions {
        cpu: "A CPU (avx2+fma)".into(),
        threads: 2,
        rounds: 7,
        version: "0.1.0".into(),
        peers: ["PyTorch eager 2.15.0+cu132", "PyTorch channels_last 2.15.0+cu132", "candle 0.11"]
            .map(Into::into)
            .into(),
        no_energy: Some("cannot read /sys/class/powercap: No such file or directory (os error 2)".into()),
    }
}

fn speeds() -> Vec<NetworkSpeed> {
    vec![NetworkSpeed {
        model: "mobilenet-v1@0.25".into(),
        head: "gap-fc".into(),
        input: [3, 96, 96],
        train_samples_per_sec: 677.,
        train_batch_size: 64,
        infer_samples_per_sec: 3515.,
        infer_batch_size: 256,
        latency_us: 557.,
        latency_p95_us: 612.,
        peak_rss_mb: None,
        tasks: BTreeMap::new(),
    }]
}

#[test]
fn a_page_compares_with_all_peers_and_says_how_it_was_made() {
    insta::assert_snapshot!(crate::markdown(&comparison_page(&rows(), &conditions())));
}

#[test]
fn a_terminal_of_80_columns_shows_the_best_peer_of_each_row_and_what_got_slower() {
    let change = |slower| BaselineRow { ratio: Ratio { median: 0.912, least: 0.883, most: 0.96 }, slower };
    let rows_of_baseline = vec![Some(change(true)), Some(change(false)), None];
    let file = "results/bench/bench.json".into();
    let baseline = Baseline { file, rows: rows_of_baseline, product: Some(change(true)) };
    let text = crate::terminal(&terminal_page(&speeds(), &rows(), &conditions(), Some(&baseline)), 80);
    assert!(text.lines().all(|line| line.width() <= 80), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn energy_has_a_column_where_it_was_measured() {
    let rows = rows().into_iter().map(|row| BenchRow { joules_per_image: Some(0.00123), ..row });
    let text = crate::terminal(&limits_table(&rows.collect::<Vec<_>>()).into(), 80);
    assert!(text.lines().all(|line| line.width() <= 80), "{text}");
    assert_eq!(text.matches("1.2\n").count(), 3, "{text}");
}

#[test]
fn a_run_of_an_earlier_version_has_dashes_for_what_it_did_not_measure() {
    let old = |row| BenchRow { roofline: None, peak_rss_mb: None, scaling: None, ..row };
    let conditions = Conditions { no_energy: None, ..conditions() };
    let page = crate::markdown(&comparison_page(&rows().into_iter().map(old).collect::<Vec<_>>(), &conditions));
    assert!(page.contains("| two-conv fc:128 | train 64 | 118 | – | – | – | – |"), "{page}");
    assert!(page.contains("did not measure the limits") && !page.contains("Energy"), "{page}");
}
