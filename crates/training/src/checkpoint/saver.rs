use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use candle_core::Result;

use super::{Checkpoints, contents::encode};
use crate::{config::FitConfig, file, optimizer::Optimizer, parameters::Parameters, position::Position};

/// The time between two checkpoints is at least this multiple of the time that saving one takes.
const TIMES_THE_COST: u32 = 100;
/// The assumed time that saving takes, before it has been measured.
const ASSUMED_COST: Duration = Duration::from_millis(5);

/// Saves the checkpoints of a run when they are due.
pub struct Saver<'a> {
    checkpoints: &'a Checkpoints<'a>,
    config: &'a FitConfig,
    /// The time of the last checkpoint, or of the start.
    last: Instant,
    /// The time that saving the last checkpoint took.
    cost: Duration,
}

impl<'a> Saver<'a> {
    pub fn new(checkpoints: &'a Checkpoints, config: &'a FitConfig) -> Self {
        Self { checkpoints, config, last: Instant::now(), cost: ASSUMED_COST }
    }

    /// Returns whether the run is to end now.
    pub fn stops(&self) -> bool {
        self.checkpoints.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    /// Returns whether a checkpoint is due, after a step or at the end of an epoch.
    pub fn is_due(&self, epoch_ended: bool) -> bool {
        let elapsed = self.last.elapsed();
        elapsed >= TIMES_THE_COST * self.cost && (epoch_ended || elapsed >= self.checkpoints.interval)
    }

    /// Replaces the file by the present state.
    ///
    /// # Errors
    /// [`candle_core::Error::Io`], with the path, for a file that cannot be written. The earlier checkpoint is kept then.
    pub fn save(&mut self, position: &Position, parameters: &Parameters, optimizer: &Optimizer) -> Result<()> {
        let start = Instant::now();
        let bytes = encode(position, &self.checkpoints.run, self.config, parameters, optimizer)?;
        file::replace(&self.checkpoints.path, &bytes)?;
        (self.last, self.cost) = (Instant::now(), start.elapsed());
        Ok(())
    }
}
