//! The trained networks that are part of the project.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use models::Trained;

use crate::misuse::Misuse;

/// The folder of the trained networks, below the current one.
const FOLDER: &str = "results/zoo";

/// Reads a trained network from a file, or from the zoo by its name.
///
/// # Errors
/// [`Misuse`] for what is neither; a file that holds no trained network.
pub fn load(weights: &str) -> Result<Trained> {
    let path = find(weights)?;
    Trained::load(&path).map_err(|error| anyhow!(Misuse::from(error).to_string()))
}

/// The file of trained weights that is meant: a path, or the name of a network of the zoo.
fn find(weights: &str) -> Result<PathBuf, Misuse> {
    let named = Path::new(FOLDER).join(format!("{weights}.safetensors"));
    [PathBuf::from(weights), named].into_iter().find(|path| path.is_file()).ok_or_else(|| {
        Misuse::new(format!(
            "there is no file {weights}, and no trained network of this name in {FOLDER}; `list weights` shows those that \
             are there"
        ))
    })
}
