use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    config::RunConfig,
    file::{FileError, RUNS, create_folder, write_file},
    record::Record,
};

/// The records in a suite's folder, and whether the sweep that writes them is finished.
///
/// A sweep is announced by [`begin`](Self::begin) and ended by [`complete`](Self::complete). In between, a marker in the
/// folder names its plan, so that the sweep can be resumed after an interruption.
///
/// All methods that change something return [`FileError`] for a folder or file that cannot be written.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Marker {
    plan_hash: String,
}

impl Store {
    /// Refers to a folder, which need not exist.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns whether a sweep of this plan was interrupted.
    pub fn is_unfinished(&self, plan_hash: &str) -> bool {
        let marker = fs::read(self.marker()).ok().and_then(|text| serde_json::from_slice::<Marker>(&text).ok());
        marker.is_some_and(|marker| marker.plan_hash == plan_hash)
    }

    /// Moves the records of an earlier sweep out of the way until this one is complete. Records of an interrupted sweep
    /// are deleted instead if those of a complete one have been moved away.
    pub fn set_aside(&self) -> Result<(), FileError> {
        if !self.runs().exists() {
            Ok(())
        } else if self.previous().exists() {
            remove_folder(&self.runs())
        } else {
            fs::rename(self.runs(), self.previous()).map_err(FileError::at(&self.runs()))
        }
    }

    /// Marks a sweep of this plan as begun.
    pub fn begin(&self, plan_hash: &str) -> Result<(), FileError> {
        create_folder(&self.runs())?;
        let marker = serde_json::to_string(&Marker { plan_hash: plan_hash.into() });
        write_file(&self.marker(), marker.map_err(|error| FileError::at(&self.marker())(error.into()))?)
    }

    /// Marks the sweep as complete and deletes the records that were set aside.
    pub fn complete(&self) -> Result<(), FileError> {
        fs::remove_file(self.marker()).map_err(FileError::at(&self.marker()))?;
        if self.previous().exists() { remove_folder(&self.previous()) } else { Ok(()) }
    }

    /// Deletes the folder.
    pub fn clear(&self) -> Result<(), FileError> {
        if self.folder.exists() { remove_folder(&self.folder) } else { Ok(()) }
    }

    /// The record of this configuration, if there is a readable one.
    pub fn find(&self, config: &RunConfig) -> Option<Record> {
        let record = serde_json::from_slice::<Record>(&fs::read(self.path(config)).ok()?).ok()?;
        (record.config == *config).then_some(record)
    }

    /// Writes a record as one line of JSON.
    pub fn save(&self, record: &Record) -> Result<(), FileError> {
        let path = self.path(&record.config);
        let text = serde_json::to_string(record).map_err(|error| FileError::at(&path)(error.into()))?;
        write_file(&path, text + "\n")
    }

    fn path(&self, config: &RunConfig) -> PathBuf {
        self.runs().join(config.file_stem() + ".json")
    }

    fn runs(&self) -> PathBuf {
        self.folder.join(RUNS)
    }

    fn previous(&self) -> PathBuf {
        self.folder.join("runs.previous")
    }

    fn marker(&self) -> PathBuf {
        self.folder.join(".unfinished.json")
    }
}

fn remove_folder(folder: &Path) -> Result<(), FileError> {
    fs::remove_dir_all(folder).map_err(FileError::at(folder))
}
