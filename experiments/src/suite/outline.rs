use anyhow::Result;
use report::PlotSpec;
use serde::Deserialize;
use statistics::{Claim, Comparison};

use super::embedded::original;

/// The part of a suite that determines what is made of its records.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Outline {
    #[serde(default)]
    pub comparisons: Vec<Comparison>,
    #[serde(default)]
    pub claims: Vec<Claim>,
    #[serde(default)]
    pub plots: Vec<PlotSpec>,
}

impl Outline {
    /// Reads the outline from the text of a suite's file. The rest of the file is not checked.
    pub fn parse(text: &str) -> Result<Self> {
        let outline: Self = toml::from_str(text)?;
        statistics::check(&outline.comparisons, &outline.claims)?;
        Ok(outline)
    }

    /// The outline of the suite of this name that is part of the program; empty if there is none.
    pub fn embedded(name: &str) -> Result<Self> {
        original(name).map_or(Ok(Self::default()), Self::parse)
    }
}
