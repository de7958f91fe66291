//! Rows of tables: one row per configuration, over its seeds.

use crate::{
    confusion::Confusion,
    distinct::distinct,
    estimate::{Estimate, estimate},
    metric::{Metric, Number},
    record::{Record, Status},
};

/// A row of every table. Accuracies and measures are in per cent.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The name of the data set.
    pub dataset: String,
    /// The model with its width.
    pub model: String,
    /// The head.
    pub head: String,
    /// The shape of an image, such as `1x28x28`.
    pub input: String,
    /// The number of training images.
    pub train_size: usize,
    /// The label that distinguishes variants with the same model and head; empty if there is none.
    pub setting: String,
    /// The peak learning rate.
    pub lr: f64,
    /// The number of runs that finished. If all diverged, or nothing was trained, it is 0.
    pub seeds: usize,
    /// The number of runs that diverged.
    pub diverged: usize,
    /// The shape (C, H, W) of the features that the head receives.
    pub features: Vec<usize>,
    /// Height and width in pixels of the receptive field of the features; `None` if it is the whole image.
    pub receptive_field: Option<Vec<usize>>,
    /// True if the validation accuracy was still rising at the last epoch.
    pub rising: bool,
    /// The values that the suite measured besides accuracy.
    pub measures: Vec<MeasuredPoint>,
    /// The confusion of the test images, added over the finished runs; `None` if one of them does not have it.
    pub confusion: Option<Confusion>,
    /// The values of [`Metric::ALL`]; see [`Metric::value`].
    pub numbers: Vec<Option<Number>>,
}

/// A value that a suite measured besides accuracy, over the seeds and in per cent.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredPoint {
    /// The name of the measured quantity.
    pub measure: String,
    /// The condition.
    pub setting: Option<String>,
    /// The strength of the condition.
    pub at: Option<f64>,
    /// The mean; `None` if no network could be measured.
    pub estimate: Option<Estimate>,
}

impl Metric {
    /// The number in a row; `None` if it was not measured, or if no run finished.
    pub fn value(self, row: &Row) -> Option<Number> {
        let position = Self::ALL.iter().position(|metric| *metric == self)?;
        *row.numbers.get(position)?
    }
}

/// Aggregates records into one row per configuration, in the order of the records, which [`select`](crate::select) has
/// chosen and sorted.
pub fn rows(records: &[Record]) -> Vec<Row> {
    records.chunk_by(|a, b| a.config_hash == b.config_hash).map(row).collect()
}

fn row(group: &[Record]) -> Row {
    let first = &group[0];
    Row {
        dataset: first.config.dataset.clone(),
        model: first.config.model.clone(),
        head: first.config.head.clone(),
        input: first.config.input.clone(),
        train_size: first.config.train_size,
        setting: first.config.setting.clone().unwrap_or_default(),
        lr: first.config.lr,
        seeds: group.iter().filter(|record| record.outcome.is_some()).count(),
        diverged: group.iter().filter(|record| record.status != Status::Ok).count(),
        features: first.features.clone(),
        receptive_field: first.receptive_field.clone(),
        rising: is_rising(group),
        measures: measures(group),
        confusion: confusion(group),
        numbers: Metric::ALL.iter().map(|metric| metric.aggregate(group)).collect(),
    }
}

/// The confusion of all finished runs.
fn confusion(group: &[Record]) -> Option<Confusion> {
    let finished = group.iter().filter(|record| record.outcome.is_some());
    let all: Option<Vec<&Confusion>> = finished.map(|record| record.confusion.as_ref()).collect();
    Confusion::sum(all?)
}

/// The measures of a configuration, in the order of their first appearance.
fn measures(group: &[Record]) -> Vec<MeasuredPoint> {
    let points = || group.iter().flat_map(|record| &record.measures);
    let measured = |(measure, setting, at): (&String, &Option<String>, Option<f64>)| {
        let same = points().filter(|point| (&point.measure, &point.setting, point.at) == (measure, setting, at));
        let values: Vec<f64> = same.filter_map(|point| point.value).map(|value| 100. * value).collect();
        MeasuredPoint { measure: measure.clone(), setting: setting.clone(), at, estimate: estimate(&values) }
    };
    distinct(points().map(|point| (&point.measure, &point.setting, point.at))).into_iter().map(measured).collect()
}

/// Returns whether the validation accuracy increased between the last two points of the curve by more than one standard
/// error of the validation set, on average over the seeds.
fn is_rising(group: &[Record]) -> bool {
    let ends: Vec<(f64, f64)> = group
        .iter()
        .filter(|record| record.status == Status::Ok)
        .filter_map(|record| match record.curve.as_slice() {
            [.., before, last] => before.val_top1.zip(last.val_top1),
            _ => None,
        })
        .collect();
    let (n, images) = (ends.len() as f64, group[0].config.validation as f64);
    let before = ends.iter().map(|end| end.0).sum::<f64>() / n;
    let last = ends.iter().map(|end| end.1).sum::<f64>() / n;
    // Without validation images, everything is NaN and the comparison is false.
    last - before > (last * (1. - last) / images).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        samples::{diverged, record},
        select::{LeftOut, select},
    };

    fn aggregate(records: &[Record]) -> (Vec<Row>, Vec<LeftOut>) {
        let (kept, left_out) = select(records, None);
        (rows(&kept), left_out)
    }

    #[test]
    fn a_diverged_run_is_left_out_and_named() {
        let (rows, left_out) = aggregate(&[record("fc", 0, 0, 0.98), diverged("fc", 0, 1), diverged("gap", 1, 0)]);
        let Some(Number::Mean(top1)) = Metric::Top1.value(&rows[0]) else { panic!("no accuracy") };
        assert_eq!((rows[0].seeds, rows[0].diverged, top1.mean), (1, 1, 98.));
        assert_eq!((rows[1].seeds, rows[1].diverged, Metric::Top1.value(&rows[1])), (0, 1, None));
        assert_eq!(left_out.len(), 2);
        let LeftOut::Diverged { variant, seed, .. } = &left_out[0] else { panic!("{left_out:?}") };
        assert_eq!((variant.as_str(), *seed), ("mnist-mini two-conv fc", 1));
    }

    #[test]
    fn of_two_configurations_the_one_with_more_seeds_is_kept_and_the_other_named() {
        let other = Record { config_hash: "another".into(), ..record("fc", 0, 0, 0.5) };
        let (rows, left_out) = aggregate(&[other, record("fc", 0, 0, 0.98), record("fc", 0, 1, 0.98)]);
        assert_eq!((rows.len(), rows[0].seeds), (1, 2));
        let (variant, hash) = ("mnist-mini two-conv fc".into(), "another".into());
        assert_eq!(left_out, [LeftOut::OtherConfiguration { variant, records: 1, hash }]);
    }

    #[test]
    fn a_run_that_is_there_twice_counts_once() {
        let (rows, left_out) = aggregate(&[record("fc", 0, 0, 0.98), record("fc", 0, 0, 0.98)]);
        assert_eq!(rows[0].seeds, 1);
        assert_eq!(left_out, [LeftOut::Duplicate { variant: "mnist-mini two-conv fc".into(), seed: 0 }]);
    }

    #[test]
    fn rows_keep_the_order_of_the_suite() {
        let (rows, _) = aggregate(&[record("gap", 1, 0, 0.9), record("attn-fc", 2, 0, 0.9), record("fc", 0, 0, 0.9)]);
        assert_eq!(rows.iter().map(|row| row.head.as_str()).collect::<Vec<_>>(), ["fc", "gap", "attn-fc"]);
    }

    #[test]
    fn a_curve_that_rises_by_more_than_a_standard_error_at_its_end_is_marked() {
        // The standard error of 90 % over 1,000 images is 0.95 %.
        let flat = |mut record: Record| {
            record.curve[0].val_top1 = Some(0.895);
            record
        };
        assert!(aggregate(&[record("fc", 0, 0, 0.9)]).0[0].rising);
        assert!(!aggregate(&[flat(record("fc", 0, 0, 0.9))]).0[0].rising);
        assert!(!aggregate(&[diverged("fc", 0, 0)]).0[0].rising);
    }
}
