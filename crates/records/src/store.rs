use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    check::read_record,
    config::RunConfig,
    file::{FileError, RUNS, WEIGHTS, write_file},
    record::Record,
};

/// The records in a suite's folder, one file each. Those of several plans lie side by side, since their names contain the
/// hash of the configuration.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

/// A file that was renamed, because it is not the record that its name promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The earlier name.
    pub path: PathBuf,
    /// The new name.
    pub now: PathBuf,
    /// The reason why the file cannot be used.
    pub reason: String,
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

    /// The record of this configuration, if there is a readable one.
    pub fn find(&self, config: &RunConfig) -> Option<Record> {
        self.read(config).ok()
    }

    /// Renames a file that lies in the place of this configuration's record, but is not this record: half of one, a record
    /// of another configuration, or something else. It is never deleted.
    ///
    /// # Errors
    /// A file that cannot be renamed.
    pub fn set_aside_foreign(&self, config: &RunConfig) -> Result<Option<SetAside>, FileError> {
        let path = self.path(config);
        if fs::symlink_metadata(&path).is_err() {
            return Ok(None);
        }
        match self.read(config) {
            Ok(_) => Ok(None),
            Err(reason) => set_aside(&path, reason).map(Some),
        }
    }

    /// Writes a record as one line of JSON, in the place of an earlier one of the same configuration. What else lies there is
    /// renamed; see [`set_aside_foreign`](Self::set_aside_foreign).
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn save(&self, record: &Record) -> Result<(), FileError> {
        self.set_aside_foreign(&record.config)?;
        let path = self.path(&record.config);
        let text = serde_json::to_string(record).map_err(|error| FileError::at(&path)(error.into()))?;
        write_file(&path, text + "\n")
    }

    fn read(&self, config: &RunConfig) -> Result<Record, String> {
        let record = read_record(&self.path(config))?;
        if record.config == *config { Ok(record) } else { Err("it is the record of another configuration".into()) }
    }

    /// The file for the trained weights of a run: `weights/NAME.safetensors`, where the record is `runs/NAME.json`.
    pub fn weights(&self, config: &RunConfig) -> PathBuf {
        self.folder.join(WEIGHTS).join(config.file_stem() + ".safetensors")
    }

    fn path(&self, config: &RunConfig) -> PathBuf {
        self.folder.join(RUNS).join(config.file_stem() + ".json")
    }
}

/// Renames a file that cannot be used to the first of `NAME.1.set-aside`, `NAME.2.set-aside`, … that is free.
///
/// # Errors
/// A file that cannot be renamed.
pub fn set_aside(path: &Path, reason: String) -> Result<SetAside, FileError> {
    let name = |number: u64| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}.set-aside"));
        PathBuf::from(name)
    };
    let free = (1..).map(name).find(|path| fs::symlink_metadata(path).is_err());
    let now = free.unwrap_or_else(|| name(0));
    fs::rename(path, &now).map_err(FileError::at(path))?;
    Ok(SetAside { path: path.into(), now, reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{file::create_folder, samples::record};

    #[test]
    fn what_lies_in_a_records_place_is_renamed_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().into());
        create_folder(&folder.path().join(RUNS)).unwrap();
        let mine = record("fc", 0, 0, 0.9);
        let path = store.path(&mine.config);
        let other = serde_json::to_string(&record("gap", 0, 0, 0.9)).unwrap();
        for (number, text) in [other.as_str(), "{", "not mine"].into_iter().enumerate() {
            fs::write(&path, text).unwrap();
            assert_eq!(store.find(&mine.config), None);
            store.save(&mine).unwrap();
            assert_eq!(store.find(&mine.config), Some(mine.clone()));
            let kept = format!("{}.{}.set-aside", path.display(), number + 1);
            assert_eq!(fs::read_to_string(kept).unwrap(), text);
        }
        // A record of the same configuration is replaced.
        store.save(&mine).unwrap();
        assert_eq!(fs::read_dir(folder.path().join(RUNS)).unwrap().count(), 4);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let aside = store.set_aside_foreign(&mine.config).unwrap().unwrap();
        assert!(aside.reason.contains("folder") && aside.now.is_dir() && !path.exists(), "{aside:?}");
    }
}
