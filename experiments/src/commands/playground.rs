//! `playground`: trained networks in a page that one draws on.

use std::path::{Path, PathBuf};

use anyhow::Result;
use models::Trained;
use records::write_file;

use crate::{
    misuse::Misuse,
    output::print,
    playground::{MOST_NETWORKS, page},
    zoo,
};

/// The folder of the results whose verdicts the page quotes.
const RESULTS: &str = "results";

/// The options of `playground`.
#[derive(Debug)]
pub struct PlaygroundOptions {
    /// Paths of files of weights, or names of networks of the zoo.
    pub weights: Vec<String>,
    /// The file that is written.
    pub out: PathBuf,
}

/// Writes the page.
pub fn playground(options: &PlaygroundOptions) -> Result<()> {
    let PlaygroundOptions { weights, out } = options;
    if weights.len() > MOST_NETWORKS {
        let reason = format!("the page shows at most {MOST_NETWORKS} networks side by side, not {}", weights.len());
        return Err(Misuse::new(reason).into());
    }
    let load = |weights: &String| -> Result<(String, Trained)> {
        let name = Path::new(weights).file_name().unwrap_or_default().to_string_lossy();
        Ok((name.trim_end_matches(".safetensors").into(), zoo::load(weights)?))
    };
    let networks: Vec<(String, Trained)> = weights.iter().map(load).collect::<Result<_>>()?;
    let page = page(&networks, Path::new(RESULTS))?;
    let bytes = page.len();
    write_file(out, page)?;
    print(&format!("{} ({} kB): open it in a browser", out.display(), bytes / 1000))
}
