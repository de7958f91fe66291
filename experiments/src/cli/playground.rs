//! The options of `playground`.

use std::path::PathBuf;

use clap::Args;

use crate::commands::PlaygroundOptions;

#[derive(Args)]
pub struct PlaygroundArguments {
    /// Up to four files of trained weights, or names (see `list weights`), of networks for the same classes
    #[arg(default_values = ["two-conv-fc.mnist", "two-conv-gap.mnist", "two-conv-gmp-fc.mnist"])]
    weights: Vec<String>,
    /// The file to write
    #[arg(long, value_name = "FILE.html", default_value = "results/playground.html")]
    out: PathBuf,
}

impl PlaygroundArguments {
    pub fn options(self) -> PlaygroundOptions {
        PlaygroundOptions { weights: self.weights, out: self.out }
    }
}
