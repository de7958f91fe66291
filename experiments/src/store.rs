//! A suite's folder of results: its records, and the marker of a sweep that is not finished.

use std::{
    fs,
    io::{self, Cursor},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use image::ImageFormat;
use serde::{Deserialize, Serialize};

use crate::{
    measures::Maps,
    plan::{RunConfig, file_name},
    record::Record,
};

/// The suite, in the folder of its results.
const SUITE_FILE: &str = "suite.toml";

pub struct Store {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Marker {
    plan_hash: String,
}

impl Store {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn runs(&self) -> PathBuf {
        self.folder.join("runs")
    }

    fn previous(&self) -> PathBuf {
        self.folder.join("runs.previous")
    }

    fn marker(&self) -> PathBuf {
        self.folder.join(".unfinished.json")
    }

    /// Lays the suite's file beside its records, so that these tell all by themselves.
    pub fn keep_suite(&self, text: &str) -> Result<()> {
        fs::create_dir_all(&self.folder).with_context(|| self.folder.display().to_string())?;
        write(&self.folder.join(SUITE_FILE), text)
    }

    /// Whether a sweep of this plan was interrupted here.
    pub fn is_unfinished(&self, plan_hash: &str) -> bool {
        let marker = fs::read(self.marker()).ok().and_then(|text| serde_json::from_slice::<Marker>(&text).ok());
        marker.is_some_and(|marker| marker.plan_hash == plan_hash)
    }

    /// Moves the records of an earlier sweep out of the way. What an interrupted sweep left is not worth keeping, what
    /// lay here before it is.
    pub fn set_aside(&self) -> Result<()> {
        if self.runs().exists() {
            if self.previous().exists() {
                remove(&self.runs())?;
            } else {
                fs::rename(self.runs(), self.previous()).with_context(|| self.runs().display().to_string())?;
            }
        }
        Ok(())
    }

    /// Marks a sweep of this plan as begun.
    pub fn begin(&self, plan_hash: &str) -> Result<()> {
        fs::create_dir_all(self.runs()).with_context(|| self.runs().display().to_string())?;
        write(&self.marker(), &serde_json::to_string(&Marker { plan_hash: plan_hash.into() })?)
    }

    /// All records of the plan are there.
    pub fn complete(&self) -> Result<()> {
        fs::remove_file(self.marker()).with_context(|| self.marker().display().to_string())?;
        if self.previous().exists() { remove(&self.previous()) } else { Ok(()) }
    }

    /// The record of this run, if it is there and of the same configuration.
    pub fn find(&self, run: &RunConfig) -> Option<Record> {
        let record = serde_json::from_slice::<Record>(&fs::read(self.path(run)).ok()?).ok()?;
        (record.config == run.entries()).then_some(record)
    }

    pub fn save(&self, run: &RunConfig, record: &Record) -> Result<()> {
        write(&self.path(run), &(serde_json::to_string_pretty(record)? + "\n"))
    }

    /// What there is to look at of this run: `maps/DATASET.MODEL.HEAD.png`, below `maps/DATASET.png`, the images alone.
    pub fn save_maps(&self, run: &RunConfig, maps: &Maps) -> Result<()> {
        let folder = self.folder.join(MAPS);
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let factors = [&run.data.name, &run.model.to_string(), &run.head.to_string()];
        for (path, picture) in [(&factors[..1], &maps.images), (&factors[..], &maps.maps)] {
            let mut png = Cursor::new(Vec::new());
            picture.write_to(&mut png, ImageFormat::Png)?;
            write(&folder.join(maps_file(path)), png.into_inner())?;
        }
        Ok(())
    }

    fn path(&self, run: &RunConfig) -> PathBuf {
        self.runs().join(run.file_stem() + ".json")
    }
}

fn remove(folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder).with_context(|| folder.display().to_string())
}

/// The records in `folder/runs`, and for each file that is none what is wrong with it.
pub fn read_records(folder: &Path) -> Result<(Vec<Record>, Vec<String>)> {
    let (runs, mut records, mut unreadable) = (folder.join("runs"), Vec::new(), Vec::new());
    let entries = fs::read_dir(&runs).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let mut paths: Vec<PathBuf> =
        entries.with_context(|| runs.display().to_string())?.into_iter().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    for path in paths {
        let text = fs::read(&path).with_context(|| path.display().to_string())?;
        match serde_json::from_slice(&text) {
            Ok(record) => records.push(record),
            Err(error) => unreadable.push(format!("{}: not a record ({error})", path.display())),
        }
    }
    Ok((records, unreadable))
}

/// The suite's file as it was kept in `folder`, if it was.
pub fn read_suite(folder: &Path) -> Result<Option<String>> {
    let path = folder.join(SUITE_FILE);
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        text => text.map(Some).with_context(|| path.display().to_string()),
    }
}

/// The folder of pictures.
pub const MAPS: &str = "maps";

/// The name of a picture of these factors.
pub fn maps_file(factors: &[impl AsRef<str>]) -> String {
    file_name(&factors.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(".")) + ".png"
}

/// Writes a file as a whole or not at all.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    fs::write(&partial, content).and_then(|()| fs::rename(&partial, path)).with_context(|| path.display().to_string())
}
