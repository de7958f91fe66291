use std::{
    collections::{BTreeMap, BTreeSet},
    io::ErrorKind,
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::{
    file::{FileError, write_file},
    input::read_input,
    record::Record,
};

/// The name of the file.
const FILE: &str = "plan.json";
/// The largest size of the file: that of a hundred thousand configurations with a few seeds each is below a tenth of it.
const MAX_BYTES: u64 = 64 << 20;

/// The runs of the plan that a folder's page shows. Records of other plans may lie beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanInfo {
    /// A hash of the plan.
    pub hash: String,
    /// The seeds of each configuration, which is given by its hash.
    pub seeds: BTreeMap<String, BTreeSet<u64>>,
}

impl PlanInfo {
    /// The number of runs.
    pub fn runs(&self) -> usize {
        self.seeds.values().map(BTreeSet::len).sum()
    }

    /// Returns whether the record is of a run of this plan.
    pub fn contains(&self, record: &Record) -> bool {
        self.seeds.get(&record.config_hash).is_some_and(|seeds| seeds.contains(&record.config.seed))
    }

    /// Adds the runs of another plan.
    pub fn add(&mut self, other: Self) {
        for (config_hash, seeds) in other.seeds {
            self.seeds.entry(config_hash).or_default().extend(seeds);
        }
    }

    /// Writes the plan into a folder.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), FileError> {
        let path = folder.join(FILE);
        let text = serde_json::to_string(self).map_err(|error| FileError::at(&path)(error.into()))?;
        write_file(&path, text + "\n")
    }

    /// Reads the plan in a folder; `None` if there is none.
    ///
    /// # Errors
    /// A file that cannot be read, or is something else.
    pub fn read(folder: &Path) -> Result<Option<Self>, FileError> {
        let path = folder.join(FILE);
        match read_input(&path, MAX_BYTES) {
            Err(error) if error.reason.kind() == ErrorKind::NotFound => Ok(None),
            text => serde_json::from_slice(&text?).map(Some).map_err(|error| FileError::at(&path)(error.into())),
        }
    }
}
