//! The files in a suite's folder of results besides its records: the suite's file, the page and the pictures.

use std::{
    fs,
    io::{self, Cursor},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use image::{ImageFormat, RgbImage};
use records::{RunConfig, Trial, create_folder, file_name, read_text, write_file};
use report::Document;

use crate::{limits::MAX_TEXT_BYTES, measures::Maps, run::Run};

/// The suite's file in the folder of its results.
const SUITE_FILE: &str = "suite.toml";
/// The trials of learning rates.
pub const TRIALS_FILE: &str = "tuning.csv";
/// The subfolder of class maps.
const MAPS: &str = "maps";
/// The subfolder of pictures of mistakes.
const MISTAKES: &str = "mistakes";

/// Copies the suite's file into the folder, which then can be rendered without it.
pub fn keep_suite(folder: &Path, text: &str) -> Result<()> {
    create_folder(folder)?;
    Ok(write_file(&folder.join(SUITE_FILE), text)?)
}

/// The text of the suite's file in a folder of results; `None` if it is not there.
pub fn read_suite(folder: &Path) -> Result<Option<String>> {
    let path = folder.join(SUITE_FILE);
    if fs::symlink_metadata(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Ok(None);
    }
    Ok(Some(read_text(&path, MAX_TEXT_BYTES)?))
}

/// The trials of learning rates in a folder of results; none if there is no such file.
///
/// # Errors
/// A file that cannot be read, or is not a table of trials.
pub fn read_trials(folder: &Path) -> Result<Vec<Trial>> {
    let path = folder.join(TRIALS_FILE);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.with_context(|| path.display().to_string())?,
    };
    match Trial::read_all(&text) {
        Ok(trials) => Ok(trials),
        Err(_) => bail!("{} is not a table of trials; move it away, as `--tune` would replace it", path.display()),
    }
}

/// The pictures that are drawn of a trained network.
#[derive(Default)]
pub struct Pictures {
    /// The maps that the measure of the suite draws.
    pub maps: Option<Maps>,
    /// The most confident mistakes.
    pub mistakes: Option<RgbImage>,
}

/// Writes the pictures of a run: `maps/DATASET.png` with the images, `maps/DATASET.MODEL.HEAD.png` with the class maps,
/// `mistakes/RUN.png` with the mistakes.
pub fn save_pictures(folder: &Path, run: &Run, Pictures { maps, mistakes }: &Pictures) -> Result<()> {
    if let Some(maps) = maps {
        create_folder(&folder.join(MAPS))?;
        let RunConfig { dataset, model, head, .. } = &run.config();
        save_png(&map_path(folder, &[dataset]), &maps.images)?;
        save_png(&map_path(folder, &[dataset, model, head]), &maps.maps)?;
    }
    if let Some(mistakes) = mistakes {
        create_folder(&folder.join(MISTAKES))?;
        save_png(&folder.join(mistakes_file(&run.config())), mistakes)?;
    }
    Ok(())
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

/// The name, in the folder of results, of the picture of a run's most confident mistakes.
pub fn mistakes_file(config: &RunConfig) -> String {
    format!("{MISTAKES}/{}.png", config.file_stem())
}

/// Writes a page as Markdown and as HTML, which contains the page's pictures; those are in the folder already.
pub fn save_page(folder: &Path, page: &Document) -> Result<()> {
    write_file(&folder.join(report::MARKDOWN_FILE), report::markdown(page))?;
    save_html(&folder.join(report::HTML_FILE), page)
}

/// Writes a page as HTML, which contains the pictures that lie next to it.
pub fn save_html(path: &Path, page: &Document) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    Ok(write_file(path, report::html(page, &|file| fs::read(folder.join(file)).ok()))?)
}

/// Writes a picture as PNG.
pub fn save_png(path: &Path, picture: &RgbImage) -> Result<()> {
    Ok(write_file(path, as_png(picture)?)?)
}

/// The bytes of a picture's PNG file.
pub fn as_png(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png)?;
    Ok(png.into_inner())
}
