//! What TensorBoard shows of a run: curves by epoch, and pictures.

use std::{
    io,
    path::{Path, PathBuf},
};

use anyhow::Result;
use candle_core::Error;
use image::RgbImage;
use records::RunConfig;
use tensorboard::EventFile;
use training::EpochReport;

use crate::files::{Pictures, as_png};

/// The subfolder of the events of all runs, which TensorBoard is started on.
const TENSORBOARD: &str = "tensorboard";

/// The file for the events of a run. Its folder is the name of the run in TensorBoard.
pub fn events_file(folder: &Path, config: &RunConfig) -> PathBuf {
    folder.join(TENSORBOARD).join(config.file_stem()).join("events.out.tfevents")
}

/// The events of a run; nothing is written without a file. Steps are epochs, counted from 0 as in `curves.csv`.
pub struct Events {
    path: Option<PathBuf>,
    file: Option<EventFile>,
}

impl Events {
    pub fn new(path: Option<PathBuf>) -> Self {
        Self { path, file: None }
    }

    /// Continues the file of a run that was interrupted and goes on in this epoch.
    pub fn resume(&mut self, epoch: usize) -> candle_core::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        self.file = Some(EventFile::resume(path, epoch as i64).map_err(at(path))?);
        Ok(())
    }

    /// Writes the losses, the accuracy and the learning rate of an epoch.
    pub fn epoch(&mut self, report: &EpochReport) -> candle_core::Result<()> {
        let mut values = vec![("loss/train", report.train_loss as f32), ("learning_rate", report.lr as f32)];
        if let Some(validation) = report.validation {
            values
                .extend([("loss/validation", validation.loss as f32), ("accuracy/validation", validation.top1 as f32)]);
        }
        self.write(|file| file.scalars(report.epoch as i64, &values))
    }

    /// Writes the pictures of the trained network.
    pub fn pictures(&mut self, epoch: usize, pictures: &Pictures) -> Result<()> {
        let maps = pictures.maps.iter().flat_map(|maps| [("maps/images", &maps.images), ("maps/evidence", &maps.maps)]);
        let mistakes = pictures.mistakes.iter().map(|picture| ("mistakes", picture));
        maps.chain(mistakes).try_for_each(|(tag, picture)| self.picture(epoch, tag, picture))
    }

    fn picture(&mut self, epoch: usize, tag: &str, picture: &RgbImage) -> Result<()> {
        let (png, size) = (as_png(picture)?, picture.dimensions().into());
        Ok(self.write(|file| file.image(epoch as i64, tag, png, size))?)
    }

    /// Writes to the file, which is started if the run was not resumed.
    fn write(&mut self, write: impl FnOnce(&mut EventFile) -> io::Result<()>) -> candle_core::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(EventFile::create(path).map_err(at(path))?),
        };
        write(file).map_err(at(path))
    }
}

/// Adds the file to an error.
fn at(path: &Path) -> impl Fn(io::Error) -> Error {
    move |error| Error::Io(error).with_path(path)
}
