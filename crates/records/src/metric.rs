use std::{fmt, str::FromStr};

use crate::{
    curve::{epochs_to_auroc, val_loss_rise, val_losses_at_equal_train_loss},
    estimate::{Estimate, estimate, middle},
    record::{Measured, Outcome, Record, Round, Speed},
};

/// A number of a row, and how well it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A count, which is the same for all seeds.
    Count(u64),
    /// A value without an estimate of its spread.
    Exact(f64),
    /// A mean over seeds, in per cent, or in the metric's unit if that is another.
    Mean(Estimate),
    /// A speed or time, which is a property of the machine too.
    Timed(Measured),
}

/// How a metric is taken from the records of a configuration.
#[derive(Clone, Copy, Debug)]
pub enum Getter {
    /// A count of the network.
    Count(fn(&Record) -> u64),
    /// A share from 0 to 1 of a finished run. Tables show its mean and its spread over seeds.
    Share(fn(&Outcome) -> f64),
    /// A share from 0 to 1 of a finished run. Tables show only its mean.
    MeanShare(fn(&Outcome) -> f64),
    /// The first share of a finished run minus the second. Tables show only its mean.
    Difference(fn(&Outcome) -> f64, fn(&Outcome) -> f64),
    /// A number that not every run has, in the metric's unit. Tables show its mean and its spread over the seeds that have it.
    Optional(fn(&Record) -> Option<f64>),
    /// A number of each of two runs, under a condition that depends on both. It is only for comparisons.
    Paired(fn([&Record; 2]) -> Option<[f64; 2]>),
    /// A speed or time of the network, over all rounds and in one.
    Timed(fn(&Speed) -> Measured, fn(&Round) -> f64),
}

/// The direction in which a metric is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// A larger value is better.
    Higher,
    /// A smaller value is better.
    Lower,
}

/// The entry of a metric in the table.
struct Definition {
    name: &'static str,
    label: &'static str,
    unit: &'static str,
    better: Better,
    getter: Getter,
}

/// Defines the metrics: one entry each, from which tables, CSV files, plots and comparisons follow.
macro_rules! metrics {
    ($($(#[$doc:meta])* $variant:ident $definition:tt)*) => {
        /// A number that every record has. Its name is that of its column in `summary.csv`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Metric { $($(#[$doc])* $variant,)* }

        impl Metric {
            /// All metrics, in the order of the columns of `summary.csv`.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            fn definition(self) -> &'static Definition {
                match self { $(Self::$variant => { const DEFINITION: Definition = Definition $definition; &DEFINITION })* }
            }
        }
    };
}

metrics! {
    /// The number of trainable parameters.
    ParamCount {
        name: "param_count", label: "parameters", unit: "", better: Better::Lower,
        getter: Getter::Count(|record| record.param_count as u64),
    }
    /// The number of trainable parameters of the head.
    HeadParamCount {
        name: "head_param_count", label: "head parameters", unit: "", better: Better::Lower,
        getter: Getter::Count(|record| record.head_param_count as u64),
    }
    /// Multiply-accumulates for one image.
    Macs {
        name: "macs", label: "MACs", unit: "", better: Better::Lower,
        getter: Getter::Count(|record| record.macs),
    }
    /// Test accuracy.
    Top1 {
        name: "top1", label: "test top-1", unit: "%", better: Better::Higher,
        getter: Getter::Share(|outcome| outcome.top1),
    }
    /// Training accuracy, measured in inference mode.
    TrainTop1 {
        name: "train_top1", label: "train top-1", unit: "%", better: Better::Higher,
        getter: Getter::MeanShare(|outcome| outcome.train_top1),
    }
    /// Training accuracy minus test accuracy.
    GeneralisationGap {
        name: "generalisation_gap", label: "train − test", unit: "points", better: Better::Lower,
        getter: Getter::Difference(|outcome| outcome.train_top1, |outcome| outcome.top1),
    }
    /// Images per second in training.
    TrainSamplesPerSec {
        name: "train_samples_per_sec", label: "training", unit: "samples/s", better: Better::Higher,
        getter: Getter::Timed(|speed| speed.train_samples_per_sec, |round| round.train_samples_per_sec),
    }
    /// Images per second in inference.
    InferSamplesPerSec {
        name: "infer_samples_per_sec", label: "inference", unit: "samples/s", better: Better::Higher,
        getter: Getter::Timed(|speed| speed.infer_samples_per_sec, |round| round.infer_samples_per_sec),
    }
    /// The time of one image.
    LatencyUs {
        name: "latency_us", label: "latency", unit: "µs", better: Better::Lower,
        getter: Getter::Timed(|speed| speed.latency_us, |round| round.latency_us),
    }
    /// The number of values in the outputs of all layers for one image.
    Activations {
        name: "activations", label: "activations", unit: "", better: Better::Lower,
        getter: Getter::Count(|record| record.activations as u64),
    }
    /// The share of test images that are classified incorrectly. Its ratio says how many times as many errors there are.
    Top1Err {
        name: "top1_err", label: "test error", unit: "%", better: Better::Lower,
        getter: Getter::Share(|outcome| 1. - outcome.top1),
    }
    /// The mean cross-entropy of the test images.
    TestLoss {
        name: "test_loss", label: "test loss", unit: "nats", better: Better::Lower,
        getter: Getter::Optional(|record| record.outcome.as_ref()?.test_loss),
    }
    /// How far the validation loss lies at the end of training above its minimum along the curve: over-fitting.
    ValLossRise {
        name: "val_loss_rise", label: "rise of validation loss", unit: "nats", better: Better::Lower,
        getter: Getter::Optional(|record| val_loss_rise(&record.curve)),
    }
    /// The validation loss where the training loss first falls to the lowest value that both of two runs reach, interpolated
    /// along their curves. As the training loss is the same, it is also the gap between the two losses that is compared.
    ValLossAtEqualTrainLoss {
        name: "val_loss_at_equal_train_loss", label: "validation loss at equal training loss", unit: "nats",
        better: Better::Lower,
        getter: Getter::Paired(|[a, b]| val_losses_at_equal_train_loss([&a.curve, &b.curve])),
    }
    /// The number of epochs until a network that ranks its samples has a validation AUROC of 0.9.
    EpochsToAuroc {
        name: "epochs_to_auroc_90", label: "epochs to AUROC 0.9", unit: "epochs", better: Better::Lower,
        getter: Getter::Optional(|record| epochs_to_auroc(&record.curve, 0.9)),
    }
}

impl Metric {
    /// The name in CSV files and suites, such as `param_count`.
    pub fn name(self) -> &'static str {
        self.definition().name
    }

    /// The name in tables and plots, without the unit.
    pub fn label(self) -> &'static str {
        self.definition().label
    }

    /// The unit; empty for counts.
    pub fn unit(self) -> &'static str {
        self.definition().unit
    }

    /// Returns whether a larger or a smaller value is better.
    pub fn better(self) -> Better {
        self.definition().better
    }

    /// How the metric is taken from records.
    pub fn getter(self) -> Getter {
        self.definition().getter
    }

    /// The number of a configuration's records.
    pub(crate) fn aggregate(self, records: &[Record]) -> Option<Number> {
        match self.getter() {
            Getter::Count(count) => records.first().map(|record| Number::Count(count(record))),
            Getter::Share(share) => percent(records, share).map(Number::Mean),
            Getter::MeanShare(share) => percent(records, share).map(|estimate| Number::Exact(estimate.mean)),
            Getter::Difference(a, b) => {
                percent(records, a).zip(percent(records, b)).map(|(a, b)| Number::Exact(a.mean - b.mean))
            }
            Getter::Optional(loss) => estimate(&records.iter().filter_map(loss).collect::<Vec<_>>()).map(Number::Mean),
            Getter::Paired(_) => None,
            Getter::Timed(timed, _) => {
                middle(records.iter().filter_map(|record| record.speed.as_ref()).map(timed).collect())
                    .map(Number::Timed)
            }
        }
    }
}

/// The mean of a share over the finished runs, in per cent.
fn percent(records: &[Record], share: fn(&Outcome) -> f64) -> Option<Estimate> {
    let outcomes = records.iter().filter_map(|record| record.outcome.as_ref());
    estimate(&outcomes.map(|outcome| 100. * share(outcome)).collect::<Vec<_>>())
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name of a metric that does not exist. The message lists those that do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown metric `{0}`; the metrics are {known}", known = known_names())]
pub struct UnknownMetric(String);

fn known_names() -> String {
    let names: Vec<String> = Metric::ALL.iter().map(|metric| format!("`{metric}`")).collect();
    names.join(", ")
}

impl FromStr for Metric {
    type Err = UnknownMetric;

    fn from_str(name: &str) -> Result<Self, UnknownMetric> {
        let found = Self::ALL.iter().find(|metric| metric.name() == name);
        found.copied().ok_or_else(|| UnknownMetric(name.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_name_and_an_unknown_one_lists_them_all() {
        for metric in Metric::ALL {
            assert_eq!(metric.name().parse(), Ok(*metric));
        }
        let error = "top2".parse::<Metric>().unwrap_err().to_string();
        assert!(error.contains("top2") && error.contains("`latency_us`"), "{error}");
    }
}
