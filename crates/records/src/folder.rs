use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{record::Record, select::LeftOut};

/// A folder or file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct ReadError {
    /// The folder or file.
    pub path: PathBuf,
    /// The error of the operating system.
    pub source: io::Error,
}

/// Reads the records in `folder/runs/*.json`, sorted by file name. All other entries of `runs` are named in the second
/// list.
pub fn read_records(folder: &Path) -> Result<(Vec<Record>, Vec<LeftOut>), ReadError> {
    let (runs, mut records, mut unreadable) = (folder.join("runs"), Vec::new(), Vec::new());
    let error = |path: &Path| {
        let path = path.to_path_buf();
        move |source| ReadError { path, source }
    };
    let entries = fs::read_dir(&runs).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let mut paths: Vec<PathBuf> = entries.map_err(error(&runs))?.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.extension().is_none_or(|extension| extension != "json") {
            let reason = "its name does not end in .json".into();
            unreadable.push(LeftOut::Unreadable { path, reason });
            continue;
        }
        let text = fs::read(&path).map_err(error(&path))?;
        match serde_json::from_slice(&text) {
            Ok(record) => records.push(record),
            Err(reason) => unreadable.push(LeftOut::Unreadable { path, reason: reason.to_string() }),
        }
    }
    Ok((records, unreadable))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::record;

    #[test]
    fn records_are_read_as_they_were_written_and_other_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read_records(folder.path()).unwrap_err().to_string().contains("runs"));
        let runs = folder.path().join("runs");
        fs::create_dir(&runs).unwrap();
        let mut written = record("fc", 0, 3, 0.1 + 0.2);
        written.config.lr = 0.1 + 0.7;
        fs::write(runs.join("a.json"), serde_json::to_string(&written).unwrap()).unwrap();
        fs::write(runs.join("b.json"), "{}").unwrap();
        fs::write(runs.join("c.txt"), "no record").unwrap();
        let (records, unreadable) = read_records(folder.path()).unwrap();
        assert_eq!(records, [written]);
        let expected = [("b.json", "suite"), ("c.txt", ".json")];
        assert_eq!(unreadable.len(), expected.len());
        for (left_out, (name, part)) in unreadable.iter().zip(expected) {
            let LeftOut::Unreadable { path, reason } = left_out else { panic!("{left_out:?}") };
            assert!(path.ends_with(name) && reason.contains(part), "{}: {reason}", path.display());
        }
    }
}
