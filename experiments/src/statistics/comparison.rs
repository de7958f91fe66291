//! What a suite compares, as its file says it: `[[comparisons]]`.

use std::{fmt, str::FromStr};

use anyhow::{Result, bail, ensure};
use heads::HeadConfig;
use models::ModelName;
use serde::{Deserialize, Deserializer, de};

use crate::cli::Shape;
use crate::record::{Measured, Record, Speed};

/// Two configurations and what is compared of them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    pub name: String,
    /// Named beforehand as one that is tested; the others describe.
    #[serde(default)]
    pub primary: bool,
    #[serde(default)]
    pub metric: Metric,
    /// Of a measure, where it has several.
    pub setting: Option<String>,
    /// Where along a measure's axis, if a and b don't say.
    pub at: Option<f64>,
    pub a: Selector,
    pub b: Selector,
    #[serde(default)]
    pub by: By,
}

/// Which records: those of a model and a head, and whatever else is said.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selector {
    pub model: ModelName,
    pub head: HeadConfig,
    pub dataset: Option<String>,
    #[serde(default, deserialize_with = "shape")]
    pub input: Option<Shape>,
    pub train_size: Option<usize>,
    /// Of the configuration.
    pub setting: Option<String>,
    /// Where along a measure's axis: for a network compared with itself elsewhere.
    pub at: Option<f64>,
}

/// Of a to b.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    #[default]
    Difference,
    Ratio,
}

/// What is compared, called as the columns of `summary.csv` are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Metric {
    /// After training, or where `setting` and `at` say so, as a measure has it.
    #[default]
    Top1,
    GeneralisationGap,
    Counted(Counted),
    Timed(Timed),
    /// By name, as the records have it.
    Measure(String),
}

/// The same for every seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    ParamCount,
    HeadParamCount,
    Macs,
    Activations,
}

/// A property of the machine too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timed {
    TrainSamplesPerSec,
    InferSamplesPerSec,
    LatencyUs,
}

impl Comparison {
    /// # Errors
    /// Where what is asked for can't be had, whatever the records.
    pub fn check(&self) -> Result<()> {
        let (name, metric) = (&self.name, &self.metric);
        let fixed = matches!(metric, Metric::Counted(_) | Metric::Timed(_));
        if self.by == By::Ratio && !fixed {
            bail!("comparison `{name}`: `{metric}` is compared by difference; ratios are for what is counted or timed")
        }
        if self.primary && fixed {
            bail!(
                "comparison `{name}`: `{metric}` does not vary with the seed, so there is nothing to test: not primary"
            )
        }
        ensure!(
            !self.placed() || self.measure().is_some(),
            "comparison `{name}`: `setting` and `at` say which value of a measure, and `{metric}` is none"
        );
        ensure!(self.a != self.b, "comparison `{name}`: a and b are the same");
        Ok(())
    }

    /// What is looked up among the records' measures; none of what a record has itself.
    pub fn measure(&self) -> Option<&str> {
        match &self.metric {
            Metric::Measure(name) => Some(name),
            Metric::Top1 if self.placed() => Some("top1"),
            _ => None,
        }
    }

    fn placed(&self) -> bool {
        self.setting.is_some() || [self.at, self.a.at, self.b.at].iter().any(Option::is_some)
    }
}

impl Selector {
    pub fn matches(&self, record: &Record) -> bool {
        let text = |key, wanted: Option<String>| wanted.is_none_or(|wanted| record.text(key) == wanted);
        text("model", Some(self.model.to_string()))
            && text("head", Some(self.head.to_string()))
            && text("dataset", self.dataset.clone())
            && text("input", self.input.map(|input| input.to_string()))
            && text("setting", self.setting.clone())
            && self.train_size.is_none_or(|images| record.number("train_size") == images as f64)
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

impl Counted {
    pub fn of(self, record: &Record) -> u64 {
        match self {
            Self::ParamCount => record.param_count as u64,
            Self::HeadParamCount => record.head_param_count as u64,
            Self::Macs => record.macs,
            Self::Activations => record.activations as u64,
        }
    }
}

impl Timed {
    pub fn of(self, speed: &Speed) -> Measured {
        match self {
            Self::TrainSamplesPerSec => speed.train_samples_per_sec,
            Self::InferSamplesPerSec => speed.infer_samples_per_sec,
            Self::LatencyUs => speed.latency_us,
        }
    }
}

const NAMES: [(&str, Metric); 9] = [
    ("top1", Metric::Top1),
    ("generalisation_gap", Metric::GeneralisationGap),
    ("param_count", Metric::Counted(Counted::ParamCount)),
    ("head_param_count", Metric::Counted(Counted::HeadParamCount)),
    ("macs", Metric::Counted(Counted::Macs)),
    ("activations", Metric::Counted(Counted::Activations)),
    ("train_samples_per_sec", Metric::Timed(Timed::TrainSamplesPerSec)),
    ("infer_samples_per_sec", Metric::Timed(Timed::InferSamplesPerSec)),
    ("latency_us", Metric::Timed(Timed::LatencyUs)),
];

impl From<String> for Metric {
    fn from(name: String) -> Self {
        let known = NAMES.iter().find(|(known, _)| *known == name);
        known.map_or(Self::Measure(name), |(_, metric)| metric.clone())
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let known = NAMES.iter().find(|(_, metric)| metric == self).map(|(name, _)| *name);
        match self {
            Self::Measure(name) => f.write_str(name),
            _ => f.write_str(known.unwrap_or_default()),
        }
    }
}

fn shape<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Shape>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Shape::from_str(&text).map(Some).map_err(|why| de::Error::custom(format!("`{text}`: {why}")))
}
