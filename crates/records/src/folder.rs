use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    check::read_record,
    file::{FileError, RUNS},
    record::Record,
    select::LeftOut,
};

/// Reads the records in `folder/runs/*.json`, sorted by file name. The second list names all other entries of `runs`, with
/// what is wrong with them; they are left as they are. Hidden files, whose names begin with a dot, are ignored.
///
/// # Errors
/// A folder that cannot be read.
pub fn read_records(folder: &Path) -> Result<(Vec<Record>, Vec<LeftOut>), FileError> {
    let (runs, mut records, mut unreadable) = (folder.join(RUNS), Vec::new(), Vec::new());
    let entries = fs::read_dir(&runs).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let mut paths: Vec<PathBuf> =
        entries.map_err(FileError::at(&runs))?.into_iter().map(|entry| entry.path()).collect();
    paths.retain(|path| path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b".")));
    paths.sort();
    for path in paths {
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        let record = if is_json { read_record(&path) } else { Err("its name does not end in .json".into()) };
        match record {
            Ok(record) => records.push(record),
            Err(reason) => unreadable.push(LeftOut::Unreadable { path, reason }),
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
        written.config_hash = written.config.hash();
        let text = serde_json::to_string(&written).unwrap();
        fs::write(runs.join("a.json"), &text).unwrap();
        fs::write(runs.join("b.json"), "{}").unwrap();
        fs::write(runs.join("c.txt"), "no record").unwrap();
        fs::create_dir(runs.join("d.json")).unwrap();
        fs::write(runs.join("e.json"), &text[..text.len() / 2]).unwrap();
        fs::write(runs.join("f.json"), text.replacen('{', "{\"format\":2,", 1)).unwrap();
        fs::write(runs.join(".hidden"), "").unwrap();
        let (records, unreadable) = read_records(folder.path()).unwrap();
        assert_eq!(records, [written]);
        let expected = [
            ("b.json", "suite"),
            ("c.txt", ".json"),
            ("d.json", "folder"),
            ("e.json", "EOF"),
            ("f.json", "later version wrote it, in format 2"),
        ];
        assert_eq!(unreadable.len(), expected.len());
        for (left_out, (name, part)) in unreadable.iter().zip(expected) {
            let LeftOut::Unreadable { path, reason } = left_out else { panic!("{left_out:?}") };
            assert!(path.ends_with(name) && reason.contains(part), "{}: {reason}", path.display());
        }
    }
}
