//! The results of a suite, read from its folder.

use std::path::Path;

use anyhow::{Context, Result};
use records::{FileError, LeftOut, PlanInfo, Record, SuiteInfo, read_records, select};

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
    /// The number of runs in the plan that have no record yet.
    pub missing: usize,
}

impl SuiteResults {
    /// Reads the records in all `folders`, which are the shards of one suite; `None` if there are none. Where the folders
    /// tell their plan, only the records of its runs count.
    pub fn read(folders: &[&Path]) -> Result<Option<Self>> {
        let (mut records, mut unreadable, mut plan) = (Vec::new(), Vec::new(), None::<PlanInfo>);
        for folder in folders {
            let (more, bad) = read_records(folder)?;
            records.extend(more);
            unreadable.extend(bad);
            match (PlanInfo::read(folder), &mut plan) {
                (Ok(None), _) => {}
                (Ok(Some(of_folder)), Some(plan)) => plan.add(of_folder),
                (Ok(of_folder), None) => plan = of_folder,
                (Err(FileError { path, reason }), _) => {
                    unreadable.push(LeftOut::Unreadable { path, reason: reason.to_string() });
                }
            }
        }
        let Some(first) = records.first() else { return Ok(None) };
        let (info, outline) = (first.suite.clone(), outline(folders, &first.suite.name)?);
        let (records, mut left_out) = select(&records, plan.as_ref());
        let info = records.first().map_or(info, |record| record.suite.clone());
        left_out.extend(unreadable);
        let missing = plan.map_or(0, |plan| plan.runs().saturating_sub(records.len()));
        let outline = outline.for_records(&records);
        Ok(Some(Self { info, outline, records, left_out, missing }))
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
