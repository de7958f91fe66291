//! Progress bars on standard error: one per run with its loss, and one for the whole sweep with the time left. Nothing
//! is drawn where standard error is not a terminal.

use std::fmt::Display;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::note;

/// The progress of a sweep.
pub struct Progress {
    bars: MultiProgress,
    sweep: ProgressBar,
    quiet: bool,
}

impl Progress {
    /// Starts the bar of a sweep of `steps` training steps. With `quiet`, no bar is drawn and no note printed.
    pub fn new(steps: u64, quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bars = MultiProgress::with_draw_target(target);
        let sweep = bars.add(ProgressBar::new(steps));
        sweep.set_style(style("{msg:<40} {wide_bar} {percent:>3} %  {elapsed} elapsed, {eta} left"));
        Self { bars, sweep, quiet }
    }

    /// Shows how many runs are not finished.
    pub fn set_runs_left(&self, left: usize) {
        self.sweep.set_message(format!("{left} runs left"));
    }

    /// Adds the bar of one run of `steps` training steps.
    pub fn start_run(&self, title: String, steps: u64) -> RunProgress<'_> {
        let bar = self.bars.insert_before(&self.sweep, ProgressBar::new(steps));
        bar.set_style(style("{prefix:<40} {wide_bar} {percent:>3} %  loss {msg}"));
        bar.set_prefix(title);
        RunProgress { bar, progress: self }
    }

    /// Counts steps that this process need not take.
    pub fn skip(&self, steps: u64) {
        self.sweep.inc(steps);
    }

    /// Prints a remark, unless quiet.
    pub fn note(&self, message: impl Display) {
        if !self.quiet {
            self.warn(message);
        }
    }

    /// Prints a problem, even if quiet.
    pub fn warn(&self, message: impl Display) {
        self.bars.suspend(|| note(&message.to_string()));
    }
}

impl Drop for Progress {
    /// Removes the bars.
    fn drop(&mut self) {
        self.sweep.finish_and_clear();
        // Fails only if standard error is closed.
        let _ = self.bars.clear();
    }
}

/// The bar of one run.
pub struct RunProgress<'a> {
    bar: ProgressBar,
    progress: &'a Progress,
}

impl RunProgress<'_> {
    /// Counts the steps that an earlier process has taken.
    pub fn resume(&self, steps: u64) {
        self.bar.inc(steps);
        self.progress.skip(steps);
    }

    /// Prints a problem, even if quiet.
    pub fn warn(&self, message: impl Display) {
        self.progress.warn(message);
    }

    /// Counts a training step and shows its loss.
    pub fn step(&self, loss: f32) {
        self.bar.inc(1);
        self.bar.set_message(format!("{loss:.3}"));
        self.progress.skip(1);
    }
}

impl Drop for RunProgress<'_> {
    /// Counts the steps that a failed, stopped or diverged run did not take, so that the sweep's bar reaches its end.
    fn drop(&mut self) {
        let left = self.bar.length().unwrap_or_default().saturating_sub(self.bar.position());
        self.progress.skip(left);
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
