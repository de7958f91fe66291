use std::collections::BTreeMap;

use records::Metric;
use serde::{Deserialize, Deserializer, de};

use super::quantity::AxisQuantity;

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
/// marks = [4, 8]                         # strengths at which a vertical line is drawn
/// marks_label = "multiples of the stride"
/// chance = 10                            # what guessing gives, drawn as a dashed line
///
/// [[plots]]
/// kind = "dots"                          # a row per head, or with `rows = "model"` one per model and a dot per head
/// file = "accuracy"
/// x = "top1"
///
/// [[plots]]
/// kind = "bars"                          # for each measure the heads side by side
/// file = "localisation"
/// measures = ["pointing", "energy"]
/// chance = "chance"                      # a measure too, drawn as a line; or one for each:
///                                        # { pointing = "chance", px-ap = "chance-mask" }
/// ```
///
/// Each has a panel for every data set and model, and for every other factor in which rows differ, and may have a
/// `title`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Fields")]
pub struct PlotSpec {
    pub(super) file: String,
    /// The title; by default it names what is shown.
    pub(super) title: Option<String>,
    /// True for each axis, the horizontal and the vertical one, that is logarithmic.
    pub(super) is_log: [bool; 2],
    pub(super) guides: Guides,
    pub(super) content: Content,
}

/// Lines that a reader compares the data with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Guides {
    /// The value that guessing gives, along the vertical axis.
    pub chance: Option<f64>,
    /// Values of the horizontal axis.
    pub marks: Vec<f64>,
    /// The meaning of `marks`.
    pub marks_label: String,
}

/// The content of a plot.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// One quantity against another: a point per row, or a line per head.
    Quantities { x: AxisQuantity, y: AxisQuantity, has_lines: bool },
    /// A measure over the strengths (`at`) at which it was taken, a line per head. Without a setting, there is a panel for
    /// each.
    Measure { measure: String, setting: Option<String>, x_label: Option<String> },
    /// A quantity as dots, in a row per head, or per model with a dot for each of its heads.
    Dots { x: AxisQuantity, by_model: bool },
    /// Bars of the heads for each of several measures, which may have one that says what guessing gives. Without a setting,
    /// there is a panel for each.
    Bars { bars: Vec<(String, Option<String>)>, setting: Option<String>, y_label: Option<String> },
}

impl PlotSpec {
    /// The name of the plot's file, without the ending.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The plot of a suite that asks for none: accuracy against parameters.
    pub(super) fn accuracy_vs_parameters() -> Self {
        let [x, y] = [Metric::ParamCount, Metric::Top1].map(AxisQuantity::Metric);
        Self {
            file: "accuracy-vs-parameters".into(),
            title: None,
            is_log: [true, false],
            guides: Guides::default(),
            content: Content::Quantities { x, y, has_lines: false },
        }
    }
}

/// The keys of each kind of plot.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
enum Fields {
    Scatter {
        #[serde(deserialize_with = "file_name")]
        file: String,
        title: Option<String>,
        x: AxisQuantity,
        y: AxisQuantity,
        /// By default the horizontal axis is logarithmic for counts.
        log: Option<Log>,
    },
    Line {
        #[serde(deserialize_with = "file_name")]
        file: String,
        title: Option<String>,
        x: Option<AxisQuantity>,
        y: Option<AxisQuantity>,
        measure: Option<String>,
        setting: Option<String>,
        x_label: Option<String>,
        #[serde(default)]
        log: Log,
        chance: Option<f64>,
        #[serde(default)]
        marks: Vec<f64>,
        marks_label: Option<String>,
    },
    Dots {
        #[serde(deserialize_with = "file_name")]
        file: String,
        title: Option<String>,
        x: AxisQuantity,
        #[serde(default)]
        rows: Rows,
        log: Option<Log>,
    },
    Bars {
        #[serde(deserialize_with = "file_name")]
        file: String,
        title: Option<String>,
        measures: Vec<String>,
        setting: Option<String>,
        chance: Option<Chance>,
        y_label: Option<String>,
    },
}

/// The logarithmic axes.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Log {
    #[default]
    None,
    X,
    Y,
    XY,
}

/// The things that the rows of a plot of dots stand for.
#[derive(Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Rows {
    #[default]
    Head,
    Model,
}

/// The measure that says what guessing gives, for all measures or by the measure that it belongs to.
#[derive(Deserialize)]
#[serde(untagged)]
enum Chance {
    OfAll(String),
    Each(BTreeMap<String, String>),
}

/// Reads a plain file name, without folder and ending.
fn file_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(is_plain) {
        return Err(de::Error::custom(format!(
            "file = \"{name}\": the name of a plot consists of letters, digits, - and _, without an ending"
        )));
    }
    Ok(name)
}

impl TryFrom<Fields> for PlotSpec {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Self, String> {
        let guides = Guides::default();
        let axes = |log| [matches!(log, Log::X | Log::XY), matches!(log, Log::Y | Log::XY)];
        Ok(match fields {
            Fields::Scatter { file, title, x, y, log } => {
                let is_log = log.map_or([x.is_count(), false], axes);
                Self { file, title, is_log, guides, content: Content::Quantities { x, y, has_lines: false } }
            }
            Fields::Line { file, title, x, y, measure, setting, x_label, log, chance, marks, marks_label } => {
                let content = match (x, y, measure) {
                    (Some(x), Some(y), None) if setting.is_none() && x_label.is_none() => {
                        Content::Quantities { x, y, has_lines: true }
                    }
                    (None, None, Some(measure)) => Content::Measure { measure, setting, x_label },
                    _ => {
                        return Err(format!(
                            "plot `{file}`: a line has either `x` and `y`, or `measure`, which may have `setting` and \
                             `x_label`"
                        ));
                    }
                };
                if marks.is_empty() != marks_label.is_none() {
                    return Err(format!(
                        "plot `{file}`: `marks` are drawn with a `marks_label` that says what they are"
                    ));
                }
                let guides = Guides { chance, marks, marks_label: marks_label.unwrap_or_default() };
                Self { file, title, is_log: axes(log), guides, content }
            }
            Fields::Dots { file, title, x, rows, log } => {
                let is_log = log.map_or([x.is_count(), false], axes);
                Self { file, title, is_log, guides, content: Content::Dots { x, by_model: rows == Rows::Model } }
            }
            Fields::Bars { file, title, measures, setting, chance, y_label } => {
                let chance = |measure: &String| match &chance {
                    Some(Chance::OfAll(chance)) => Some(chance.clone()),
                    Some(Chance::Each(chances)) => chances.get(measure).cloned(),
                    None => None,
                };
                let bars = measures.into_iter().map(|measure| (measure.clone(), chance(&measure)));
                let content = Content::Bars { bars: bars.collect(), setting, y_label };
                Self { file, title, is_log: [false; 2], guides, content }
            }
        })
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
        assert_eq!(parse(scatter), Ok(PlotSpec::accuracy_vs_parameters()));
        let line = parse(r#"{ kind = "line", file = "macs", x = "input", y = "macs", log = "xy" }"#).unwrap();
        let (x, y) = (AxisQuantity::Input, AxisQuantity::Metric(Metric::Macs));
        assert_eq!(line.content, Content::Quantities { x, y, has_lines: true });
        assert_eq!(line.is_log, [true, true]);
        let shift = r#"{ kind = "line", file = "shift", measure = "top1", setting = "shift", x_label = "pixels" }"#;
        let shift = parse(shift).unwrap();
        assert!(matches!(shift.content, Content::Measure { .. }) && shift.is_log == [false, false]);
        let marked =
            r#"{ kind = "line", file = "shift", measure = "top1", marks = [4], marks_label = "stride", chance = 10 }"#;
        let guides = Guides { chance: Some(10.), marks: vec![4.], marks_label: "stride".into() };
        assert_eq!(parse(marked).unwrap().guides, guides);
        let dots = parse(r#"{ kind = "dots", file = "dots", x = "top1", rows = "model" }"#).unwrap();
        assert!(matches!(dots.content, Content::Dots { by_model: true, .. }));
        let bars = r#"{ kind = "bars", file = "cam", measures = ["pointing", "energy"], chance = "chance" }"#;
        let Ok(Content::Bars { bars, .. }) = parse(bars).map(|plot| plot.content) else { panic!("no bars") };
        assert_eq!(bars[1], ("energy".into(), Some("chance".into())));
        let each = r#"{ kind = "bars", file = "cam", measures = ["px-ap", "energy"], chance = { px-ap = "mask" } }"#;
        let Ok(Content::Bars { bars, .. }) = parse(each).map(|plot| plot.content) else { panic!("no bars") };
        assert_eq!(bars, [("px-ap".into(), Some("mask".into())), ("energy".into(), None)]);
    }

    #[test]
    fn a_mistake_is_answered_with_what_is_possible() {
        let error = |plot: &str| parse(plot).unwrap_err();
        assert!(error(r#"{ kind = "pie", file = "a" }"#).contains("`scatter`, `line`, `dots`, `bars`"));
        assert!(error(r#"{ kind = "line", file = "a", x = "inputs", y = "macs" }"#).contains("`train_size`"));
        assert!(error(r#"{ kind = "line", file = "a", x = "input" }"#).contains("either `x` and `y`, or `measure`"));
        assert!(error(r#"{ kind = "line", file = "a", measure = "b", marks = [1] }"#).contains("says what they are"));
        let both = r#"{ kind = "line", file = "a", x = "input", y = "macs", setting = "shift" }"#;
        assert!(error(both).contains("which may have `setting`"));
        assert!(error(r#"{ kind = "scatter", file = "a", x = "macs", y = "top1", colour = 1 }"#).contains("colour"));
        assert!(error(r#"{ kind = "bars", file = "../a", measures = [] }"#).contains("letters, digits"));
    }
}
