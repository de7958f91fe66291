//! A suite's folder of results: its records, and the marker of an unfinished sweep.

use std::{
    fs,
    io::{self, Cursor},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use image::{ImageFormat, RgbImage};
use records::Record;
use serde::{Deserialize, Serialize};

use crate::{
    measures::Maps,
    plan::{Run, file_name},
};

/// The suite's file in the folder of its results.
const SUITE_FILE: &str = "suite.toml";
/// The subfolder of class maps.
const MAPS: &str = "maps";

/// The folder of one suite's results.
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

    /// Copies the suite's file into the folder, which then can be rendered without it.
    pub fn keep_suite(&self, text: &str) -> Result<()> {
        create_folder(&self.folder)?;
        write(&self.folder.join(SUITE_FILE), text)
    }

    /// Whether a sweep of this plan was interrupted.
    pub fn is_unfinished(&self, plan_hash: &str) -> bool {
        let marker = fs::read(self.marker()).ok().and_then(|text| serde_json::from_slice::<Marker>(&text).ok());
        marker.is_some_and(|marker| marker.plan_hash == plan_hash)
    }

    /// Moves the records of an earlier sweep out of the way until this one is complete. Records of an interrupted sweep
    /// are deleted instead if those of a complete one have been moved away.
    pub fn set_aside(&self) -> Result<()> {
        if !self.runs().exists() {
            Ok(())
        } else if self.previous().exists() {
            remove_folder(&self.runs())
        } else {
            fs::rename(self.runs(), self.previous()).with_context(|| self.runs().display().to_string())
        }
    }

    /// Marks a sweep of this plan as begun.
    pub fn begin(&self, plan_hash: &str) -> Result<()> {
        create_folder(&self.runs())?;
        write(&self.marker(), serde_json::to_string(&Marker { plan_hash: plan_hash.into() })?)
    }

    /// Marks the sweep as complete and deletes the records that were set aside.
    pub fn complete(&self) -> Result<()> {
        fs::remove_file(self.marker()).with_context(|| self.marker().display().to_string())?;
        if self.previous().exists() { remove_folder(&self.previous()) } else { Ok(()) }
    }

    /// Deletes the folder.
    pub fn clear(&self) -> Result<()> {
        if self.folder.exists() { remove_folder(&self.folder) } else { Ok(()) }
    }

    /// The record of a run, if it is readable and its configuration is that of the run.
    pub fn find(&self, run: &Run) -> Option<Record> {
        let record = serde_json::from_slice::<Record>(&fs::read(self.path(run)).ok()?).ok()?;
        (record.config == run.config()).then_some(record)
    }

    /// Writes the record of a run, as one line of JSON.
    pub fn save(&self, run: &Run, record: &Record) -> Result<()> {
        write(&self.path(run), serde_json::to_string(record)? + "\n")
    }

    /// Writes the pictures of a run: `maps/DATASET.png` with the images, `maps/DATASET.MODEL.HEAD.png` with the class maps.
    pub fn save_maps(&self, run: &Run, maps: &Maps) -> Result<()> {
        create_folder(&self.folder.join(MAPS))?;
        let (dataset, model, head) = (&run.data.name, run.model.to_string(), run.head.to_string());
        save_png(&map_path(&self.folder, &[dataset]), &maps.images)?;
        save_png(&map_path(&self.folder, &[dataset, &model, &head]), &maps.maps)
    }

    fn path(&self, run: &Run) -> PathBuf {
        self.runs().join(run.file_stem() + ".json")
    }
}

/// The text of the suite's file in a folder of results; `None` if it is not there.
pub fn read_suite(folder: &Path) -> Result<Option<String>> {
    let path = folder.join(SUITE_FILE);
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        text => text.map(Some).with_context(|| path.display().to_string()),
    }
}

/// The class maps of a data set, model and head, or the images of a data set, from the first folder that has them.
pub fn read_maps(folders: &[&Path], factors: &[&str]) -> Result<Option<RgbImage>> {
    let mut paths = folders.iter().map(|folder| map_path(folder, factors));
    let Some(path) = paths.find(|path| path.is_file()) else { return Ok(None) };
    Ok(Some(image::open(&path).with_context(|| path.display().to_string())?.to_rgb8()))
}

fn map_path(folder: &Path, factors: &[&str]) -> PathBuf {
    folder.join(MAPS).join(file_name(&factors.join(".")) + ".png")
}

/// Writes a picture as PNG.
pub fn save_png(path: &Path, picture: &RgbImage) -> Result<()> {
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png)?;
    write(path, png.into_inner())
}

/// Writes a file completely or not at all.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    fs::write(&partial, content).and_then(|()| fs::rename(&partial, path)).with_context(|| path.display().to_string())
}

/// Creates a folder and those that contain it.
pub fn create_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())
}

fn remove_folder(folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder).with_context(|| folder.display().to_string())
}
