//! The options of `export`.

use std::path::PathBuf;

use clap::Args;

use crate::commands::ExportOptions;

#[derive(Args)]
pub struct ExportArguments {
    /// A file of trained weights, which runs write to OUT/SUITE/weights, or the name of one (see `list weights`)
    weights: String,
    /// The file to write; by its extension, `.safetensors` for PyTorch or `.onnx`
    out: PathBuf,
    /// Give the ONNX model a second output `evidence`: for each class, a map of the evidence for it
    #[arg(long)]
    evidence: bool,
}

impl ExportArguments {
    pub fn options(self) -> ExportOptions {
        ExportOptions { weights: self.weights, out: self.out, evidence: self.evidence }
    }
}
