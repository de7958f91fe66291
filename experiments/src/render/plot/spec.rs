use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};
use serde::Deserialize;

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
/// log = "xy"                             # lines then show their slopes
///
/// [[plots]]
/// kind = "line"                          # a measure of the suite over its strengths
/// file = "shift"
/// measure = "top1"
/// setting = "shift"                      # a panel for each where none is named
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
/// Each has a panel for every data set and model, and for whatever else tells rows apart, and may have a `title`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum PlotSpec {
    Scatter(ScatterSpec),
    Line(LineSpec),
    Bars(BarsSpec),
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScatterSpec {
    pub file: FileName,
    pub title: Option<String>,
    pub x: Column,
    pub y: Column,
    /// By default parameters and the like are drawn on a logarithmic axis of x.
    pub log: Option<Log>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "LineFields")]
pub struct LineSpec {
    pub file: FileName,
    pub title: Option<String>,
    pub of: LineOf,
    pub log: Log,
}

#[derive(Clone, Debug, PartialEq)]
pub enum LineOf {
    Columns {
        x: Column,
        y: Column,
    },
    /// Over `at`, its strengths.
    Measure {
        measure: String,
        setting: Option<String>,
        x_label: Option<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BarsSpec {
    pub file: FileName,
    pub title: Option<String>,
    pub measures: Vec<String>,
    pub setting: Option<String>,
    pub chance: Option<Chance>,
    pub y_label: Option<String>,
}

/// The measure that says what guessing gives.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Chance {
    OfAll(String),
    /// By the measure that it belongs to; the others have none.
    Each(BTreeMap<String, String>),
}

/// What every row has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    Input,
    TrainSize,
    ParamCount,
    HeadParamCount,
    Macs,
    Activations,
    Top1,
    TrainTop1,
    GeneralisationGap,
    TrainSamplesPerSec,
    InferSamplesPerSec,
    LatencyUs,
}

/// Which axes are logarithmic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Log {
    #[default]
    None,
    X,
    Y,
    XY,
}

/// A plain name, without folder and ending.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct FileName(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineFields {
    file: FileName,
    title: Option<String>,
    x: Option<Column>,
    y: Option<Column>,
    measure: Option<String>,
    setting: Option<String>,
    x_label: Option<String>,
    #[serde(default)]
    log: Log,
}

impl TryFrom<LineFields> for LineSpec {
    type Error = anyhow::Error;

    fn try_from(fields: LineFields) -> Result<Self> {
        let LineFields { file, title, x, y, measure, setting, x_label, log } = fields;
        let of = match (x, y, measure) {
            (Some(x), Some(y), None) if setting.is_none() && x_label.is_none() => LineOf::Columns { x, y },
            (None, None, Some(measure)) => LineOf::Measure { measure, setting, x_label },
            _ => bail!(
                "plot `{}`: a line has either `x` and `y`, or `measure`, which may have `setting` and `x_label`",
                file.as_str()
            ),
        };
        Ok(Self { file, title, of, log })
    }
}

impl TryFrom<String> for FileName {
    type Error = anyhow::Error;

    fn try_from(name: String) -> Result<Self> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        ensure!(
            !name.is_empty() && name.chars().all(plain),
            "file = \"{name}\": the name of a plot is made of letters, digits, - and _, without ending"
        );
        Ok(Self(name))
    }
}

impl FileName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Chance {
    pub fn of(&self, measure: &str) -> Option<&str> {
        match self {
            Self::OfAll(chance) => Some(chance),
            Self::Each(chances) => chances.get(measure).map(String::as_str),
        }
    }
}

impl Log {
    pub fn x(self) -> bool {
        matches!(self, Self::X | Self::XY)
    }

    pub fn y(self) -> bool {
        matches!(self, Self::Y | Self::XY)
    }
}

impl Column {
    /// As written beside an axis.
    pub fn label(self) -> &'static str {
        match self {
            Self::Input => "side of the input (pixels)",
            Self::TrainSize => "training images",
            Self::ParamCount => "parameters",
            Self::HeadParamCount => "parameters of the head",
            Self::Macs => "multiply-accumulates per image",
            Self::Activations => "activations per image",
            Self::Top1 => "test top-1 (%)",
            Self::TrainTop1 => "training top-1 (%)",
            Self::GeneralisationGap => "generalisation gap (points)",
            Self::TrainSamplesPerSec => "training (images/s)",
            Self::InferSamplesPerSec => "inference (images/s)",
            Self::LatencyUs => "latency (µs)",
        }
    }

    /// Spread over orders of magnitude.
    pub fn is_count(self) -> bool {
        matches!(self, Self::ParamCount | Self::HeadParamCount | Self::Macs | Self::Activations)
    }
}

impl PlotSpec {
    /// What is drawn where a suite names nothing.
    pub fn default_plots() -> Vec<Self> {
        vec![Self::Scatter(ScatterSpec {
            file: FileName("accuracy-vs-parameters".into()),
            title: None,
            x: Column::ParamCount,
            y: Column::Top1,
            log: None,
        })]
    }

    pub fn file(&self) -> &str {
        let (Self::Scatter(ScatterSpec { file, .. })
        | Self::Line(LineSpec { file, .. })
        | Self::Bars(BarsSpec { file, .. })) = self;
        file.as_str()
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
        assert_eq!(line.of, LineOf::Columns { x: Column::Input, y: Column::Macs });
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
