use std::{collections::BTreeMap, str::FromStr};

use records::Metric;
use serde::{Deserialize, Deserializer, de};

/// A plot that a suite asks for: an entry of `[[plots]]` in its file.
///
/// ```toml
/// [[plots]]
/// kind = "scatter"                       # a point per head
/// file = "accuracy-vs-parameters"        # .svg
/// x = "param_count"
/// y = "top1"
///
/// [[plots]]
/// kind = "line"                          # a line per head
/// file = "macs"
/// x = "input"
/// y = "macs"
/// log = "xy"                             # the legend then gives the slopes
///
/// [[plots]]
/// kind = "line"                          # a measure of the suite over its strengths
/// file = "shift"
/// measure = "top1"
/// setting = "shift"                      # without it, a panel for each setting
/// x_label = "shift (pixels)"
///
/// [[plots]]
/// kind = "bars"                          # measures side by side for each head
/// file = "localisation"
/// measures = ["pointing", "energy"]
/// chance = "chance"                      # a measure too, drawn as a line; or one for each:
///                                        # { pointing = "chance", px-ap = "chance-mask" }
/// ```
///
/// Each has a panel for every data set and model, and for every other factor in which rows differ, and may have a
/// `title`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum PlotSpec {
    /// A point per row, one quantity against another.
    Scatter(ScatterSpec),
    /// A line per head.
    Line(LineSpec),
    /// Bars of several measures for each head.
    Bars(BarsSpec),
}

/// One quantity against another, a point per row.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScatterSpec {
    /// The file that the plot is written to.
    pub file: FileName,
    /// The title; by default it names both quantities.
    pub title: Option<String>,
    /// The quantity along the horizontal axis.
    pub x: Quantity,
    /// The quantity along the vertical axis.
    pub y: Quantity,
    /// Which axes are logarithmic; by default the horizontal one for counts.
    pub log: Option<Log>,
}

/// One quantity against another, a line per head.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "LineFields")]
pub struct LineSpec {
    /// The file that the plot is written to.
    pub file: FileName,
    /// The title; by default it names both quantities.
    pub title: Option<String>,
    /// What the lines show.
    pub of: LineOf,
    /// Which axes are logarithmic.
    pub log: Log,
}

/// What lines show.
#[derive(Clone, Debug, PartialEq)]
pub enum LineOf {
    /// One quantity of the rows against another.
    Quantities {
        /// The quantity along the horizontal axis.
        x: Quantity,
        /// The quantity along the vertical axis.
        y: Quantity,
    },
    /// A measure over the strengths (`at`) at which it was taken.
    Measure {
        /// The name of the measure.
        measure: String,
        /// The setting; `None` for a panel for each.
        setting: Option<String>,
        /// The label of the horizontal axis.
        x_label: Option<String>,
    },
}

/// Bars of several measures for each head.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BarsSpec {
    /// The file that the plot is written to.
    pub file: FileName,
    /// The title; by default it names the measures.
    pub title: Option<String>,
    /// The names of the measures, in the order of the bars.
    pub measures: Vec<String>,
    /// The setting; `None` for a panel for each.
    pub setting: Option<String>,
    /// What guessing gives.
    pub chance: Option<Chance>,
    /// The label of the vertical axis.
    pub y_label: Option<String>,
}

/// The measure that says what guessing gives.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Chance {
    /// One for all measures.
    OfAll(String),
    /// By the measure that it belongs to; the others have none.
    Each(BTreeMap<String, String>),
}

/// What every row has a number for: the size of its input, that of its training set, or a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// The side of a square with as many pixels as the input.
    Input,
    /// The number of training images.
    TrainSize,
    /// A metric, by its name in `summary.csv`.
    Metric(Metric),
}

/// Which axes are logarithmic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Log {
    /// Neither.
    #[default]
    None,
    /// The horizontal one.
    X,
    /// The vertical one.
    Y,
    /// Both.
    XY,
}

/// A plain file name, without folder and ending.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct FileName(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineFields {
    file: FileName,
    title: Option<String>,
    x: Option<Quantity>,
    y: Option<Quantity>,
    measure: Option<String>,
    setting: Option<String>,
    x_label: Option<String>,
    #[serde(default)]
    log: Log,
}

impl TryFrom<LineFields> for LineSpec {
    type Error = String;

    fn try_from(fields: LineFields) -> Result<Self, String> {
        let LineFields { file, title, x, y, measure, setting, x_label, log } = fields;
        let of = match (x, y, measure) {
            (Some(x), Some(y), None) if setting.is_none() && x_label.is_none() => LineOf::Quantities { x, y },
            (None, None, Some(measure)) => LineOf::Measure { measure, setting, x_label },
            _ => {
                return Err(format!(
                    "plot `{}`: a line has either `x` and `y`, or `measure`, which may have `setting` and `x_label`",
                    file.0
                ));
            }
        };
        Ok(Self { file, title, of, log })
    }
}

impl TryFrom<String> for FileName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(format!(
                "file = \"{name}\": the name of a plot consists of letters, digits, - and _, without an ending"
            ));
        }
        Ok(Self(name))
    }
}

impl Quantity {
    /// Whether it spreads over orders of magnitude.
    pub fn is_count(self) -> bool {
        matches!(self, Self::Metric(metric) if metric.unit().is_empty())
    }
}

impl FromStr for Quantity {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "input" => Ok(Self::Input),
            "train_size" => Ok(Self::TrainSize),
            _ => name.parse().map(Self::Metric).map_err(|error| format!("{error}, besides `input` and `train_size`")),
        }
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Chance {
    /// The measure that says what guessing gives for this one.
    pub fn of(&self, measure: &str) -> Option<&str> {
        match self {
            Self::OfAll(chance) => Some(chance),
            Self::Each(chances) => chances.get(measure).map(String::as_str),
        }
    }
}

impl Log {
    /// Whether the horizontal axis is logarithmic.
    pub fn x(self) -> bool {
        matches!(self, Self::X | Self::XY)
    }

    /// Whether the vertical axis is logarithmic.
    pub fn y(self) -> bool {
        matches!(self, Self::Y | Self::XY)
    }
}

impl PlotSpec {
    /// What is drawn for a suite that asks for nothing: accuracy against parameters.
    pub fn default_plots() -> Vec<Self> {
        vec![Self::Scatter(ScatterSpec {
            file: FileName("accuracy-vs-parameters".into()),
            title: None,
            x: Quantity::Metric(Metric::ParamCount),
            y: Quantity::Metric(Metric::Top1),
            log: None,
        })]
    }

    /// The name of its file, without the ending.
    pub fn file(&self) -> &str {
        let (Self::Scatter(ScatterSpec { file, .. })
        | Self::Line(LineSpec { file, .. })
        | Self::Bars(BarsSpec { file, .. })) = self;
        &file.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(plot: &str) -> Result<PlotSpec, String> {
        #[derive(Deserialize)]
        struct File {
            plot: PlotSpec,
        }
        let file = toml::from_str::<File>(&format!("plot = {plot}"));
        file.map(|file| file.plot).map_err(|error| error.to_string())
    }

    #[test]
    fn every_kind_is_read() {
        let scatter = r#"{ kind = "scatter", file = "accuracy-vs-parameters", x = "param_count", y = "top1" }"#;
        assert_eq!(parse(scatter).map(|plot| vec![plot]), Ok(PlotSpec::default_plots()));
        let line = r#"{ kind = "line", file = "macs", x = "input", y = "macs", log = "xy" }"#;
        let Ok(PlotSpec::Line(line)) = parse(line) else { panic!("no line") };
        assert_eq!(line.of, LineOf::Quantities { x: Quantity::Input, y: Quantity::Metric(Metric::Macs) });
        assert!(line.log.x() && line.log.y());
        let shift = r#"{ kind = "line", file = "shift", measure = "top1", setting = "shift", x_label = "pixels" }"#;
        assert!(matches!(
            parse(shift),
            Ok(PlotSpec::Line(LineSpec { of: LineOf::Measure { .. }, log: Log::None, .. }))
        ));
        let bars = r#"{ kind = "bars", file = "cam", measures = ["pointing", "energy"], chance = "chance" }"#;
        let Ok(PlotSpec::Bars(bars)) = parse(bars) else { panic!("no bars") };
        assert_eq!(bars.chance.unwrap().of("energy"), Some("chance"));
        let each = r#"{ kind = "bars", file = "cam", measures = ["energy"], chance = { px-ap = "chance-mask" } }"#;
        let Ok(PlotSpec::Bars(bars)) = parse(each) else { panic!("no bars") };
        assert_eq!(
            ["px-ap", "energy"].map(|measure| bars.chance.as_ref().unwrap().of(measure)),
            [Some("chance-mask"), None]
        );
    }

    #[test]
    fn a_mistake_is_answered_with_what_is_possible() {
        let error = |plot: &str| parse(plot).unwrap_err();
        assert!(error(r#"{ kind = "pie", file = "a" }"#).contains("`scatter`, `line`, `bars`"));
        assert!(error(r#"{ kind = "line", file = "a", x = "inputs", y = "macs" }"#).contains("`train_size`"));
        assert!(error(r#"{ kind = "line", file = "a", x = "input" }"#).contains("either `x` and `y`, or `measure`"));
        let both = r#"{ kind = "line", file = "a", x = "input", y = "macs", setting = "shift" }"#;
        assert!(error(both).contains("which may have `setting`"));
        assert!(error(r#"{ kind = "scatter", file = "a", x = "macs", y = "top1", colour = 1 }"#).contains("colour"));
        assert!(error(r#"{ kind = "bars", file = "../a", measures = [] }"#).contains("letters, digits"));
    }
}
