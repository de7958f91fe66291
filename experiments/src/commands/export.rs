//! `export`: trained networks for other programs.

use std::path::PathBuf;

use anyhow::Result;
use models::{NetworkInfo, Trained};
use records::write_file;

use crate::{misuse::Misuse, zoo};

/// The options of `export`.
#[derive(Debug)]
pub struct ExportOptions {
    /// The path of a file of weights, or the name of a network of the zoo.
    pub weights: String,
    /// The file that is written. Its extension decides the format.
    pub out: PathBuf,
    /// True if the ONNX model has the evidence for each class as a second output.
    pub evidence: bool,
}

/// Writes a trained network in the format of another program.
pub fn export(options: &ExportOptions) -> Result<()> {
    let ExportOptions { weights, out, evidence } = options;
    match out.extension().and_then(|extension| extension.to_str()) {
        Some("onnx") => write_file(out, onnx(&zoo::load(weights)?, *evidence)?)?,
        Some("safetensors") if *evidence => {
            return Err(
                Misuse::new("--evidence is an output of an ONNX model; weights for PyTorch have no outputs").into()
            );
        }
        Some("safetensors") => zoo::load(weights)?.save_state_dict(out)?,
        _ => {
            let out = out.display();
            return Err(Misuse::new(format!("cannot export to {out}; possible: a file .safetensors or .onnx")).into());
        }
    }
    Ok(())
}

/// Returns the network as an ONNX model whose metadata say how to feed it and what its outputs mean.
fn onnx(trained: &Trained, evidence: bool) -> Result<Vec<u8>> {
    let NetworkInfo { model, head, classes, standardization, .. } = &trained.info;
    let graph = trained.graph(evidence).map_err(Misuse::from)?;
    let metadata = [
        (
            "input",
            "images (N, C, H, W) with pixels from 0 to 1; the model standardises them by mean and std".to_string(),
        ),
        ("classes", serde_json::to_string(classes)?),
        ("mean", serde_json::to_string(&standardization.mean)?),
        ("std", serde_json::to_string(&standardization.std)?),
        ("network", serde_json::to_string(&trained.info)?),
    ];
    Ok(onnx::encode(&format!("{model} {head}"), &graph, &metadata)?)
}
