use std::{collections::BTreeMap, fmt, str::FromStr};

use anyhow::{Result, anyhow, ensure};
use datasets::Shape;
use heads::HeadConfig;
use models::ModelName;
use records::distinct;
use report::PlotSpec;
use serde::Deserialize;
use statistics::{Claim, Comparison, Selector};

use super::pairs::preset;
use crate::statements::STATEMENTS;

/// The part of a suite's file that determines what is made of its records.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Outline {
    pub question: Option<String>,
    /// Remarks for readers of the results on how they came about, a paragraph each.
    #[serde(default)]
    pub remarks: Vec<String>,
    /// The data set that the file names, or the path of a folder of images.
    pub dataset: Option<String>,
    /// The data sets that the file names, if there are several.
    #[serde(default)]
    pub datasets: Vec<String>,
    #[serde(default)]
    pub comparisons: Vec<Comparison>,
    #[serde(default)]
    pub claims: Vec<Claim>,
    #[serde(default)]
    pub plots: Vec<PlotSpec>,
    /// For each data set whose networks are published, what they should be used for, and what not.
    #[serde(default)]
    pub publish: BTreeMap<String, String>,
}

impl Outline {
    /// Reads the outline from the text of a suite's file. The rest of the file is not checked.
    ///
    /// # Errors
    /// A mistake in a comparison, a claim or a plot.
    pub fn parse(text: &str) -> Result<Self> {
        let mut outline: Self = toml::from_str(text)?;
        for comparison in &mut outline.comparisons {
            let name = comparison.name.clone();
            for selector in [&mut comparison.a, &mut comparison.b] {
                normalise(selector).map_err(|error| anyhow!("comparison `{name}`: {error}"))?;
            }
        }
        statistics::check(&outline.comparisons, &outline.claims)?;
        for claim in &outline.claims {
            if let Some(name) = &claim.statement {
                let known: Vec<&str> = STATEMENTS.iter().map(|(name, _)| *name).collect();
                ensure!(
                    known.contains(&name.as_str()),
                    "claim `{}`: no statement is called `{name}`; the statements are {}",
                    claim.claim,
                    known.join(", ")
                );
            }
        }
        let files: Vec<&str> = outline.plots.iter().map(PlotSpec::file).collect();
        ensure!(distinct(files.clone()) == files, "two plots have the same `file`; the files are {}", files.join(", "));
        Ok(outline)
    }
}

/// Writes names and shapes as they stand in records.
fn normalise(selector: &mut Selector) -> Result<(), String> {
    if preset(&selector.model).is_none() {
        selector.model = normal::<ModelName>(&selector.model)?;
    }
    selector.head = normal::<HeadConfig>(&selector.head)?;
    selector.input = selector.input.as_deref().map(normal::<Shape>).transpose()?;
    Ok(())
}

fn normal<T: FromStr<Err: fmt::Display> + fmt::Display>(text: &str) -> Result<String, String> {
    text.parse::<T>().map(|value| value.to_string()).map_err(|error| error.to_string())
}
