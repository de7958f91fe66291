use std::fmt;

use records::{Getter, Metric, Record};
use serde::Deserialize;

use crate::error::{Error, Result};

/// Two configurations and what is compared of them: an entry of `[[comparisons]]` in a suite's file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The name by which claims refer to the comparison.
    pub name: String,
    /// True if the comparison is tested; all others are descriptive.
    #[serde(default)]
    pub primary: bool,
    /// The compared quantity; the test accuracy by default.
    #[serde(default)]
    pub metric: Quantity,
    /// The setting of a measure that has several.
    pub setting: Option<String>,
    /// The strength at which a measure was taken, unless a and b give their own.
    pub at: Option<f64>,
    /// The first and last strength over which the mean of a measure is taken, instead of one strength.
    pub mean_over: Option<[f64; 2]>,
    /// The first configuration.
    pub a: Selector,
    /// The second configuration.
    pub b: Selector,
    /// How a is related to b.
    #[serde(default)]
    pub by: By,
}

/// Selects the records of one configuration: those of a model and a head, and of whatever else is given.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selector {
    /// The model, as the records name it.
    pub model: String,
    /// The head, as the records name it.
    pub head: String,
    /// The data set.
    pub dataset: Option<String>,
    /// The shape of an image, such as `1x28x28`.
    pub input: Option<String>,
    /// The number of training images.
    pub train_size: Option<usize>,
    /// The setting of the configuration.
    pub setting: Option<String>,
    /// The strength at which a measure was taken: for a network that is compared with itself under another condition.
    pub at: Option<f64>,
}

/// How configuration a is related to configuration b.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The difference a − b.
    #[default]
    Difference,
    /// The ratio a / b.
    Ratio,
}

impl By {
    /// The value of no difference.
    pub(crate) fn no_difference(self) -> f64 {
        match self {
            Self::Difference => 0.,
            Self::Ratio => 1.,
        }
    }
}

/// A compared quantity: a metric by its name in `summary.csv`, or else a measure by the name that the records give it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Quantity {
    /// A metric that every record has.
    Metric(Metric),
    /// A measure of the suite.
    Measure(String),
}

impl Comparison {
    /// Checks what can be checked without records.
    pub(crate) fn check(&self) -> Result<()> {
        let metric = &self.metric;
        let is_fixed = |metric: &Metric| matches!(metric.getter(), Getter::Count(_) | Getter::Timed(..));
        let varies = !matches!(metric, Quantity::Metric(metric) if is_fixed(metric));
        let is_loss = |metric: &Metric| matches!(metric.getter(), Getter::Optional(_) | Getter::Paired(_));
        let has_ratio = |metric: &Metric| is_fixed(metric) || is_loss(metric) || *metric == Metric::Top1Err;
        if self.by == By::Ratio && !matches!(metric, Quantity::Metric(metric) if has_ratio(metric)) {
            return Err(self.error(format!(
                "`{metric}` is compared by difference; ratios are for counts, timings, losses and errors (`top1_err`)"
            )));
        }
        if self.primary && !varies {
            return Err(self.error(format!(
                "`{metric}` does not vary with the seed, so there is nothing to test: it cannot be primary"
            )));
        }
        if self.has_place() && self.measure().is_none() {
            return Err(
                self.error(format!("`setting` and `at` select a value of a measure, but `{metric}` is a metric"))
            );
        }
        if self.mean_over.is_some_and(|[first, last]| first.is_nan() || last.is_nan() || first > last) {
            return Err(self.error("`mean_over` is the first and the last strength, in this order".into()));
        }
        if self.mean_over.is_some() && [self.at, self.a.at, self.b.at].iter().any(Option::is_some) {
            return Err(self.error("a value is taken `at` one strength or as the `mean_over` several, not both".into()));
        }
        if self.a == self.b {
            return Err(self.error("a and b are the same; they must differ in at least one key".into()));
        }
        Ok(())
    }

    /// The measure whose values are compared; `None` for what a record has itself.
    pub fn measure(&self) -> Option<&str> {
        match &self.metric {
            Quantity::Measure(name) => Some(name),
            Quantity::Metric(Metric::Top1) if self.has_place() => Some("top1"),
            Quantity::Metric(_) => None,
        }
    }

    fn has_place(&self) -> bool {
        self.setting.is_some()
            || self.mean_over.is_some()
            || [self.at, self.a.at, self.b.at].iter().any(Option::is_some)
    }

    pub(crate) fn error(&self, reason: String) -> Error {
        Error::Comparison { name: self.name.clone(), reason }
    }
}

impl Selector {
    /// Returns whether a record is selected.
    pub fn matches(&self, record: &Record) -> bool {
        let config = &record.config;
        config.model == self.model
            && config.head == self.head
            && self.dataset.as_ref().is_none_or(|dataset| config.dataset == *dataset)
            && self.input.as_ref().is_none_or(|input| config.input == *input)
            && (self.setting.is_none() || config.setting == self.setting)
            && self.train_size.is_none_or(|images| config.train_size == images)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} {}", self.model, self.head)?;
        self.dataset.iter().try_for_each(|dataset| write!(f, ", {dataset}"))?;
        self.input.iter().try_for_each(|input| write!(f, ", {input}"))?;
        self.train_size.iter().try_for_each(|images| write!(f, ", {images} images"))?;
        self.setting.iter().try_for_each(|setting| write!(f, ", {setting}"))?;
        self.at.iter().try_for_each(|at| write!(f, ", at {at}"))
    }
}

impl Default for Quantity {
    fn default() -> Self {
        Self::Metric(Metric::Top1)
    }
}

impl From<String> for Quantity {
    fn from(name: String) -> Self {
        name.parse().map_or(Self::Measure(name), Self::Metric)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Metric(metric) => metric.fmt(f),
            Self::Measure(name) => f.write_str(name),
        }
    }
}
