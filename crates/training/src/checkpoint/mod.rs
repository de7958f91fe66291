//! Checkpoints: what a run saves of itself, so that it goes on after an interruption.

mod contents;
mod error;
mod saver;

pub(crate) use contents::Checkpoint;
pub use error::{CheckpointError, Unusable};
pub(crate) use saver::Saver;

use std::{
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::Duration,
};

use crate::{config::FitConfig, parameters::Parameters};

/// The file that a run of [`fit_resumable`](crate::fit_resumable) saves its state in, and how often it does.
///
/// A checkpoint holds the weights, the state of the optimiser, the position in the data and the epochs so far. It is a
/// safetensors file, which is replaced as a whole: whenever the program is killed, either the old or the new one is there.
///
/// It is saved at the end of an epoch, and within a long epoch after each [`interval`](Self::interval); but never so often
/// that saving takes more than a hundredth of the time.
///
/// ```no_run
/// use std::sync::atomic::AtomicBool;
/// use training::Checkpoints;
///
/// // Set to true by a handler of Ctrl-C, it ends the run after the current step.
/// static STOP: AtomicBool = AtomicBool::new(false);
/// let checkpoints = Checkpoints::new("digits.checkpoint", "digits, two-conv, seed 0").stop_on(&STOP);
/// ```
#[derive(Debug, Clone)]
pub struct Checkpoints<'a> {
    path: PathBuf,
    run: String,
    interval: Duration,
    stop: Option<&'a AtomicBool>,
}

impl<'a> Checkpoints<'a> {
    /// Returns checkpoints in the file `path`, in an existing folder, with an interval of one minute. `run` describes
    /// everything that the result depends on besides the [`FitConfig`], such as the data and the version of the program; a
    /// checkpoint with another description is refused.
    pub fn new(path: impl Into<PathBuf>, run: impl Into<String>) -> Self {
        Self { path: path.into(), run: run.into(), interval: Duration::from_secs(60), stop: None }
    }

    /// Sets the time after which a checkpoint is saved within an epoch.
    pub fn interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Lets the run save a checkpoint and end after the step in which `stop` becomes true.
    pub fn stop_on(self, stop: &'a AtomicBool) -> Self {
        Self { stop: Some(stop), ..self }
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Checks the file and returns the number of steps that it saves, or `None` if there is no file. The parameters are
    /// those of the model that has been built; they are not changed.
    ///
    /// [`fit_resumable`](crate::fit_resumable) fails where this method does, so that a caller can decide first what to do
    /// with a file that is of no use.
    ///
    /// # Errors
    /// A file that cannot be read, that is damaged or written by a later version, or that belongs to another run,
    /// configuration or model.
    pub fn check(&self, parameters: &Parameters, config: &FitConfig) -> Result<Option<u64>, CheckpointError> {
        Ok(self.load(parameters, config)?.map(|checkpoint| checkpoint.position.step))
    }

    pub(crate) fn load(
        &self,
        parameters: &Parameters,
        config: &FitConfig,
    ) -> Result<Option<Checkpoint>, CheckpointError> {
        Checkpoint::read(&self.path, &self.run, parameters, config)
            .map_err(|reason| CheckpointError { path: self.path.clone(), reason })
    }
}
