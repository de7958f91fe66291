//! The weights that runs start from, `--init`.

use std::{fs, path::PathBuf};

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
    /// True if the file may hold only a part of the backbone.
    partial: bool,
}

impl Init {
    /// Refers to a file, or a network of the zoo by its name.
    ///
    /// # Errors
    /// [`Misuse`] for what is neither; a file that cannot be read.
    pub fn new(weights: &str, freeze: bool, partial: bool) -> Result<Self> {
        let path = zoo::find(weights)?;
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        Ok(Self { sha256: hex::encode(Sha256::digest(bytes))[..16].into(), path, freeze, partial })
    }

    /// Reads the description of the network from the file; `None` if there is none, as in the files of other programs.
    pub fn info(&self) -> Option<NetworkInfo> {
        NetworkInfo::read(&self.path).ok()
    }

    /// Loads the weights into a network that has been built with `parameters`, and freezes its backbone if that is asked
    /// for. The head keeps its initial weights where those of the file do not fit, as for other classes.
    ///
    /// # Errors
    /// [`Misuse`] if a part of the backbone does not fit, unless that is allowed, and if nothing fits.
    pub fn apply(&self, network: &mut Classifier, parameters: &Parameters) -> Result<Matching, Misuse> {
        let matching = parameters.load_matching(&self.path).map_err(Misuse::from)?;
        let head = format!("{}.", network.backbone.naming.head);
        let mut names = parameters.all().into_iter().map(|(name, _)| name).filter(|name| !name.starts_with(&head));
        if let Some(name) = names.find(|name| !matching.loaded.contains(name)).filter(|_| !self.partial) {
            let (path, model, skipped) = (self.path.display(), &network.backbone.name, matching.skipped.join(", "));
            let not_used = if skipped.is_empty() { String::new() } else { format!("; not used were: {skipped}") };
            return Err(Misuse::new(format!(
                "--init {path} does not hold the backbone of {model}: {name} does not fit{not_used}; --partial takes what fits"
            )));
        }
        if self.freeze {
            network.freeze_backbone();
        }
        Ok(matching)
    }

    /// Loads the weights as [`apply`](Self::apply) does, and says what is loaded and what is not.
    ///
    /// # Errors
    /// Those of [`apply`](Self::apply).
    pub fn describe(&self, network: &mut Classifier, parameters: &Parameters) -> Result<String, Misuse> {
        let Matching { loaded, skipped, .. } = self.apply(network, parameters)?;
        let names = parameters.all().into_iter().map(|(name, _)| name);
        let initial: Vec<String> = names.filter(|name| !loaded.contains(name)).collect();
        let mut text = format!("starting from {}: {} of its tensors are loaded", self.path.display(), loaded.len());
        for (what, names) in
            [("these are trained from the beginning", initial), ("these of the file are skipped", skipped)]
        {
            if !names.is_empty() {
                text += &format!("; {what}: {}", names.join(", "));
            }
        }
        Ok(text + if self.freeze { "; the backbone is not trained" } else { "" })
    }
}
