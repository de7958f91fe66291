//! The results of a suite, read from its folder.

use std::path::Path;

use anyhow::{Context, Result};
use records::{LeftOut, Record, SuiteInfo, read_records, select};

use crate::{
    files::read_suite,
    suite::{Outline, original},
};

/// The records of a suite and what is made of them.
pub struct SuiteResults {
    pub info: SuiteInfo,
    pub outline: Outline,
    /// The records that count, in the order of the suite.
    pub records: Vec<Record>,
    /// The records and files that do not count.
    pub left_out: Vec<LeftOut>,
}

impl SuiteResults {
    /// Reads the records in all `folders`, which are the shards of one suite; `None` if there are none. If a variant has
    /// several configurations, one whose hash is `wanted` counts.
    pub fn read(folders: &[&Path], wanted: &[String]) -> Result<Option<Self>> {
        let (mut records, mut unreadable) = (Vec::new(), Vec::new());
        for folder in folders {
            let (more, bad) = read_records(folder)?;
            records.extend(more);
            unreadable.extend(bad);
        }
        let Some(first) = records.first() else { return Ok(None) };
        let (info, outline) = (first.suite.clone(), outline(folders, &first.suite.name)?);
        let (records, mut left_out) = select(&records, wanted);
        left_out.extend(unreadable);
        Ok(Some(Self { info, outline, records, left_out }))
    }
}

/// The outline of the suite's file in one of the folders, or else of the suite with this name that is part of the program.
fn outline(folders: &[&Path], suite: &str) -> Result<Outline> {
    for folder in folders {
        if let Some(text) = read_suite(folder)? {
            return Outline::parse(&text).with_context(|| format!("{}: suite.toml", folder.display()));
        }
    }
    original(suite).map_or(Ok(Outline::default()), Outline::parse)
}
