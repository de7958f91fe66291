//! The weights that runs start from, `--init`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use models::{Classifier, NetworkInfo};
use sha2::{Digest, Sha256};
use training::{Matching, Parameters};

use crate::{misuse::Misuse, zoo};

/// Trained weights that the networks of a sweep start from.
#[derive(Clone, Debug, PartialEq)]
pub struct Init {
    path: PathBuf,
    /// The start of the SHA-256 of the file, 16 hexadecimal digits.
    pub sha256: String,
    /// True if the backbone is not trained.
    pub freeze: bool,
}

impl Init {
    /// Refers to a file, or a network of the zoo by its name.
    ///
    /// # Errors
    /// [`Misuse`] for what is neither; a file that cannot be read.
    pub fn new(weights: &str, freeze: bool) -> Result<Self> {
        let path = zoo::find(weights)?;
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        Ok(Self { sha256: hex::encode(Sha256::digest(bytes))[..16].into(), path, freeze })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file says of its network; `None` if it says nothing, like the files of other programs.
    pub fn info(&self) -> Option<NetworkInfo> {
        NetworkInfo::read(&self.path).ok()
    }

    /// Loads the weights into a network that has been built with `parameters`, and freezes its backbone if that is asked
    /// for. The head keeps its initial weights where those of the file do not fit, as for other classes.
    ///
    /// # Errors
    /// [`Misuse`] if a part of the backbone does not fit.
    pub fn apply(&self, network: &mut Classifier, parameters: &Parameters) -> Result<Matching, Misuse> {
        let matching = parameters.load_matching(&self.path).map_err(Misuse::from)?;
        let head = format!("{}.", network.backbone.naming.head);
        let mut names = parameters.all().into_iter().map(|(name, _)| name).filter(|name| !name.starts_with(&head));
        if let Some(name) = names.find(|name| !matching.loaded.contains(name)) {
            let (path, model, skipped) = (self.path.display(), &network.backbone.name, matching.skipped.join(", "));
            let not_used = if skipped.is_empty() { String::new() } else { format!("; not used were: {skipped}") };
            return Err(Misuse::new(format!(
                "--init {path} does not hold the backbone of {model}: {name} does not fit{not_used}"
            )));
        }
        if self.freeze {
            network.freeze_backbone();
        }
        Ok(matching)
    }
}
