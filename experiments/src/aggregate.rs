//! Records to rows: one row per configuration, over its seeds.

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::record::{Measured, Outcome, Record, Status};

/// One line of every table. Accuracies in per cent.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub dataset: String,
    pub model: String,
    pub head: String,
    /// As in 1x28x28.
    pub input: String,
    pub train_size: usize,
    /// What else differs, in words; empty where nothing does.
    pub setting: String,
    pub lr: f64,
    /// That finished; a row of diverged runs alone has 0, and no accuracy.
    pub seeds: usize,
    pub diverged: usize,
    pub param_count: usize,
    pub head_param_count: usize,
    pub macs: u64,
    /// Values held for one image in a training step.
    pub activations: usize,
    /// The shape that the head is given.
    pub features: Vec<usize>,
    pub receptive_field: Option<Vec<usize>>,
    pub top1: Option<Estimate>,
    pub train_top1: Option<f64>,
    /// Training less test accuracy, in points.
    pub generalisation_gap: Option<f64>,
    pub train_samples_per_sec: Option<Measured>,
    pub infer_samples_per_sec: Option<Measured>,
    pub latency_us: Option<Measured>,
    /// The validation accuracy was still rising when training ended.
    pub rising: bool,
    /// What the suite measures beyond the usual.
    pub measures: Vec<MeasuredPoint>,
}

/// A further measure, in per cent, possibly under a condition (`setting`) of some strength (`at`).
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredPoint {
    pub measure: String,
    pub setting: Option<String>,
    pub at: Option<f64>,
    pub estimate: Option<Estimate>,
}

/// A mean over seeds; what one seed can't give is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    pub mean: f64,
    /// Standard deviation of the sample (n − 1).
    pub sd: Option<f64>,
    /// Half the width of the mean's 95 % confidence interval, by Student's t.
    pub ci95: Option<f64>,
}

/// One row for each configuration, in the order of the records, which [`select`](crate::select::select) has chosen.
pub fn rows(records: &[Record]) -> Vec<Row> {
    records.chunk_by(|a, b| a.config_hash == b.config_hash).map(row).collect()
}

fn row(group: &[Record]) -> Row {
    let first = &group[0];
    let finished: Vec<&Outcome> = group.iter().filter_map(|record| record.outcome.as_ref()).collect();
    let top1 = estimate(finished.iter().map(|outcome| 100. * outcome.top1).collect());
    let train_top1 = estimate(finished.iter().map(|outcome| 100. * outcome.train_top1).collect()).map(|e| e.mean);
    let speed = |of: fn(&crate::record::Speed) -> Measured| {
        middle(group.iter().filter_map(|record| record.speed.as_ref()).map(of).collect())
    };
    Row {
        dataset: first.text("dataset").into(),
        model: first.text("model").into(),
        head: first.text("head").into(),
        input: first.text("input").into(),
        train_size: first.number("train_size") as usize,
        setting: first.text("setting").into(),
        lr: first.number("lr"),
        seeds: finished.len(),
        diverged: group.iter().filter(|record| record.status != Status::Ok).count(),
        param_count: first.param_count,
        head_param_count: first.head_param_count,
        macs: first.macs,
        activations: first.activations,
        features: first.features.clone(),
        receptive_field: first.receptive_field.clone(),
        top1,
        train_top1,
        generalisation_gap: train_top1.zip(top1).map(|(train, test)| train - test.mean),
        train_samples_per_sec: speed(|speed| speed.train_samples_per_sec),
        infer_samples_per_sec: speed(|speed| speed.infer_samples_per_sec),
        latency_us: speed(|speed| speed.latency_us),
        rising: rising(group),
        measures: measures(group),
    }
}

/// In the order in which they first appear.
fn measures(group: &[Record]) -> Vec<MeasuredPoint> {
    let mut points: Vec<MeasuredPoint> = Vec::new();
    for point in group.iter().flat_map(|record| &record.measures) {
        let same = |measure: &str, setting: &Option<String>, at: Option<f64>| {
            measure == point.measure && *setting == point.setting && at == point.at
        };
        if points.iter().any(|other| same(&other.measure, &other.setting, other.at)) {
            continue;
        }
        let everywhere = group.iter().flat_map(|record| &record.measures);
        let of_seeds = everywhere.filter(|other| same(&other.measure, &other.setting, other.at));
        points.push(MeasuredPoint {
            measure: point.measure.clone(),
            setting: point.setting.clone(),
            at: point.at,
            estimate: estimate(of_seeds.filter_map(|point| point.value).map(|value| 100. * value).collect()),
        });
    }
    points
}

/// None of no values.
pub fn estimate(values: Vec<f64>) -> Option<Estimate> {
    let n = values.len() as f64;
    if values.is_empty() {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n;
    let sd = (n > 1.).then(|| (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.)).sqrt());
    let t = StudentsT::new(0., 1., n - 1.).ok().map(|student| student.inverse_cdf(0.975));
    let ci95 = sd.zip(t).map(|(sd, t)| t * sd / n.sqrt());
    Some(Estimate { mean, sd, ci95 })
}

/// All runs of one sweep hold the same measurement; of several machines' the middle one is taken.
pub fn middle(mut measured: Vec<Measured>) -> Option<Measured> {
    measured.sort_by(|a, b| a.median.total_cmp(&b.median));
    measured.get(measured.len().saturating_sub(1) / 2).copied()
}

/// Whether from the last point of the curve but one to the last the validation accuracy rose by more than one standard error of the validation split, on
/// average over the seeds.
fn rising(group: &[Record]) -> bool {
    let ends: Vec<(f64, f64)> = group
        .iter()
        .filter(|record| record.status == Status::Ok)
        .filter_map(|record| match record.curve.as_slice() {
            [.., before, last] => before.val_top1.zip(last.val_top1),
            _ => None,
        })
        .collect();
    let (n, images) = (ends.len() as f64, group[0].number("validation"));
    let before = ends.iter().map(|end| end.0).sum::<f64>() / n;
    let last = ends.iter().map(|end| end.1).sum::<f64>() / n;
    last - before > (last * (1. - last) / images).sqrt() // false where nothing was held out: all is NaN
}

/// The rows of those records that count, and what is left out.
#[cfg(test)]
pub fn aggregate(records: &[Record], wanted: &[String]) -> (Vec<Row>, Vec<String>) {
    let (kept, left_out) = crate::select::select(records, wanted);
    (rows(&kept), left_out)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::machine::{Cpu, Versions};
    use crate::record::{EpochPoint, Speed, SuiteInfo, Timings};
    use serde_json::json;
    use training::Diverged;

    /// A record made by hand.
    pub fn record(head: &str, order: usize, seed: u64, top1: f64) -> Record {
        let measured = |median| Measured { median, spread: 0.031 };
        let config = json!({"dataset": "mnist-mini", "model": "two-conv", "head": head, "seed": seed, "lr": 0.01,
            "validation": 1000, "epochs": 2, "train_size": 9000, "batch_size": 64,
            "schedule": "constant", "optimizer": "sgd(momentum=0.9)"});
        let point =
            |epoch, top1| EpochPoint { epoch, train_loss: Some(0.5), val_top1: Some(top1), val_loss: Some(0.5) };
        Record {
            suite: SuiteInfo {
                name: "heads".into(),
                question: "What does the head cost?".into(),
                command: "cargo run -p experiments -- run heads".into(),
                order,
            },
            config: serde_json::from_value(config).unwrap(),
            config_hash: format!("hash of {head}"),
            status: Status::Ok,
            curve: vec![point(0, top1 - 0.02), point(1, top1)],
            outcome: Some(Outcome { top1, test_loss: Some(0.1), train_top1: 0.99, val_top1: Some(top1) }),
            timings: Timings { train_seconds: 3. },
            speed: Some(Speed {
                train_samples_per_sec: measured(1234.5),
                train_batch_size: 64,
                infer_samples_per_sec: measured(9876.5),
                infer_batch_size: 256,
                latency_us: measured(321.),
                threads: 2,
            }),
            param_count: 34_826,
            head_param_count: 16_010,
            macs: 2_412_032,
            activations: 30_730,
            features: vec![64, 5, 5],
            measures: Vec::new(),
            receptive_field: Some(vec![10, 10]),
            weights_sha256: "00".into(),
            test_hits: "f0".into(),
            versions: Versions { experiments: "0.1.0".into(), candle: "0.11.1".into(), gemm: "0.19.0".into() },
            cpu: Cpu { model: "A CPU".into(), instruction_set: "avx2+fma".into(), cache_kib: vec![32, 1024] },
            threads: 1,
        }
    }

    pub fn diverged(head: &str, order: usize, seed: u64) -> Record {
        let status = Status::Diverged(Diverged { epoch: 1, step: 12 });
        Record { status, outcome: None, curve: Vec::new(), ..record(head, order, seed, 0.5) }
    }

    fn close(a: Option<f64>, b: f64) -> bool {
        a.is_some_and(|a| (a - b).abs() < 1e-6)
    }

    #[test]
    fn mean_standard_deviation_and_interval_have_their_known_values() {
        // scipy: t.ppf(0.975, 2) = 4.30265273, t.ppf(0.975, 4) = 2.77644511
        let three = estimate(vec![1., 2., 3.]).unwrap();
        assert_eq!((three.mean, three.sd), (2., Some(1.)));
        assert!(close(three.ci95, 4.302_652_73 / 3f64.sqrt()), "{three:?}");
        let five = estimate(vec![2., 4., 4., 4., 6.]).unwrap();
        assert!(close(five.sd, 2f64.sqrt()) && close(five.ci95, 2.776_445_11 * (2f64 / 5.).sqrt()), "{five:?}");
    }

    #[test]
    fn one_seed_has_a_mean_and_no_deviation_and_none_has_nothing() {
        assert_eq!(estimate(vec![98.]), Some(Estimate { mean: 98., sd: None, ci95: None }));
        assert_eq!(estimate(Vec::new()), None);
    }

    #[test]
    fn a_diverged_run_is_left_out_and_named() {
        let (rows, left_out) = aggregate(&[record("fc", 0, 0, 0.98), diverged("fc", 0, 1), diverged("gap", 1, 0)], &[]);
        assert_eq!((rows[0].seeds, rows[0].diverged, rows[0].top1.unwrap().mean), (1, 1, 98.));
        assert_eq!((rows[1].seeds, rows[1].diverged, rows[1].top1), (0, 1, None));
        assert_eq!(left_out.len(), 2);
        assert!(left_out[0].starts_with("mnist-mini two-conv fc seed 1: diverged"), "{left_out:?}");
    }

    #[test]
    fn of_two_configurations_the_one_with_more_seeds_is_kept_and_the_other_named() {
        let other = Record { config_hash: "another".into(), ..record("fc", 0, 0, 0.5) };
        let (rows, left_out) = aggregate(&[other, record("fc", 0, 0, 0.98), record("fc", 0, 1, 0.98)], &[]);
        assert_eq!((rows.len(), rows[0].seeds), (1, 2));
        assert_eq!(left_out, ["mnist-mini two-conv fc: 1 records of another configuration (another)"]);
    }

    #[test]
    fn a_run_that_is_there_twice_counts_once() {
        let (rows, left_out) = aggregate(&[record("fc", 0, 0, 0.98), record("fc", 0, 0, 0.98)], &[]);
        assert_eq!(rows[0].seeds, 1);
        assert_eq!(left_out, ["mnist-mini two-conv fc seed 0: there twice"]);
    }

    #[test]
    fn rows_keep_the_order_of_the_suite() {
        let (rows, _) =
            aggregate(&[record("gap", 1, 0, 0.9), record("attn-fc", 2, 0, 0.9), record("fc", 0, 0, 0.9)], &[]);
        assert_eq!(rows.iter().map(|row| row.head.as_str()).collect::<Vec<_>>(), ["fc", "gap", "attn-fc"]);
    }

    #[test]
    fn a_curve_that_rises_by_more_than_a_standard_error_at_its_end_is_marked() {
        // The standard error of 90 % over 1,000 images is 0.95 %.
        let flat = |mut record: Record| {
            record.curve[0].val_top1 = Some(0.895);
            record
        };
        assert!(aggregate(&[record("fc", 0, 0, 0.9)], &[]).0[0].rising);
        assert!(!aggregate(&[flat(record("fc", 0, 0, 0.9))], &[]).0[0].rising);
        assert!(!aggregate(&[diverged("fc", 0, 0)], &[]).0[0].rising);
    }
}
