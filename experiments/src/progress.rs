//! Bars on standard error: one per run with its loss, one for the whole sweep with the time left. Nothing where nobody
//! watches.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

pub struct Progress {
    bars: MultiProgress,
    sweep: ProgressBar,
    quiet: bool,
}

impl Progress {
    /// For a sweep of `steps` training steps in all. Bars are drawn on a terminal only, and not if `quiet`.
    pub fn new(steps: u64, quiet: bool) -> Self {
        let target = if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bars = MultiProgress::with_draw_target(target);
        let sweep = bars.add(ProgressBar::new(steps));
        sweep.set_style(style("{msg:<40} {wide_bar} {percent:>3} %  {elapsed} gone, {eta} left"));
        Self { bars, sweep, quiet }
    }

    pub fn runs_left(&self, left: usize) {
        self.sweep.set_message(format!("{left} runs left"));
    }

    /// A run of `steps` begins.
    pub fn run(&self, title: String, steps: u64) -> RunProgress<'_> {
        let bar = self.bars.insert_before(&self.sweep, ProgressBar::new(steps));
        bar.set_style(style("{prefix:<40} {wide_bar} {percent:>3} %  loss {msg}"));
        bar.set_prefix(title);
        RunProgress { bar, sweep: &self.sweep }
    }

    /// Something worth knowing.
    pub fn note(&self, message: &str) {
        if !self.quiet {
            self.bars.suspend(|| eprintln!("{message}"));
        }
    }

    /// Something that went wrong: also said if `quiet`.
    pub fn warn(&self, message: &str) {
        self.bars.suspend(|| eprintln!("{message}"));
    }

    pub fn finish(&self) {
        self.sweep.finish_and_clear();
    }
}

pub struct RunProgress<'a> {
    bar: ProgressBar,
    sweep: &'a ProgressBar,
}

impl RunProgress<'_> {
    pub fn step(&self, loss: f32) {
        self.bar.inc(1);
        self.bar.set_message(format!("{loss:.3}"));
        self.sweep.inc(1);
    }
}

impl Drop for RunProgress<'_> {
    /// A run that broke off leaves steps that nobody will take.
    fn drop(&mut self) {
        let left = self.bar.length().unwrap_or_default().saturating_sub(self.bar.position());
        self.sweep.inc(left);
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
