//! The images of a sweep: each data set is loaded once, and all runs share its splits.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use datasets::{Dataset, DatasetError, DatasetId, LoadOptions, Shape, SplitOptions, Splits};

use crate::{misuse::Misuse, output::note};

/// The data that a suite's runs need. There is one [`Splits`] for every combination of data set, canvas and training size.
#[derive(Clone, Debug)]
pub struct DataSpec {
    pub datasets: Vec<DatasetId>,
    /// The shape (C, H, W) that the images of a folder are resized to.
    pub folder_input: [usize; 3],
    pub splits: SplitOptions,
}

/// Loads a data set.
///
/// # Errors
/// Problems with the files. If there are none, the error names the options of the command line that help.
pub fn load_dataset(id: &DatasetId, options: &LoadOptions) -> Result<Dataset> {
    datasets::load(id, options).map_err(|error| match error {
        DatasetError::Unavailable { dataset, .. } => anyhow::anyhow!(
            "no files of {dataset}; name their folder with `--data-dir DIR`, or let the program download them: `cargo run \
             -p experiments --features hub -- …`"
        ),
        error => error.into(),
    })
}

/// Says how many files of an image folder were skipped; `None` if there were none.
pub fn skipped_files(dataset: &Dataset) -> Option<String> {
    match dataset.skipped_files {
        0 => None,
        1 => Some("1 file that is not an image was skipped".into()),
        count => Some(format!("{count} files that are not images were skipped")),
    }
}

/// Checks that `--input` is given for image folders only, which are resized; other data sets have a fixed size.
pub fn check_input(id: &DatasetId, input: Option<Shape>) -> Result<(), Misuse> {
    match (id, input) {
        (DatasetId::Folder(_), _) | (_, None) => Ok(()),
        (_, Some(input)) => Err(Misuse::new(format!(
            "--input {input} is only for folders of images; the images of {id} have a fixed size"
        ))),
    }
}

impl DataSpec {
    /// Loads all data, ordered by data set, canvas and training size. `data_dir` contains the files of a single data set,
    /// or a subfolder for each of several. Standard error tells how many files of a folder were skipped.
    ///
    /// # Errors
    /// [`Misuse`] for impossible splits and canvases that do not fit; otherwise, problems with the files.
    pub fn load(&self, data_dir: Option<&Path>) -> Result<Vec<Arc<Splits>>> {
        let mut all = Vec::new();
        for id in &self.datasets {
            let dataset = self.find(id, data_dir)?;
            if let Some(text) = skipped_files(&dataset) {
                note(&format!("{id}: {text}"));
            }
            all.extend(
                dataset.splits(id, &self.splits).map_err(|error| impossible(id, error))?.into_iter().map(Arc::new),
            );
        }
        Ok(all)
    }

    fn find(&self, id: &DatasetId, data_dir: Option<&Path>) -> Result<Dataset> {
        let input = Some(self.folder_input);
        let several = self.datasets.len() > 1;
        match data_dir.map(|dir| subfolder(id, dir, several)) {
            Some(data_dir) if several && !data_dir.is_dir() => {
                // The data set may be embedded, or in a place where it is found without `--data-dir`.
                load_dataset(id, &LoadOptions::default().input(input))
                    .with_context(|| format!("there is no folder {}", data_dir.display()))
            }
            data_dir => load_dataset(id, &LoadOptions::default().data_dir(data_dir).input(input)),
        }
    }
}

/// A request that the data set cannot fulfil is the user's mistake.
fn impossible(id: &DatasetId, error: DatasetError) -> Misuse {
    match error {
        DatasetError::InvalidCount { .. } => Misuse::new(format!(
            "{id}: {error}; change `--train-size`, or `train_size` and `validation` in the suite's file"
        )),
        error => Misuse::from(error),
    }
}

/// The folder of a data set's files. With several data sets, whose files have the same names, it is a subfolder of `dir`
/// with the data set's name; with one it may be.
fn subfolder(id: &DatasetId, dir: &Path, several: bool) -> PathBuf {
    let own = dir.join(id.to_string());
    if several || own.is_dir() { own } else { dir.into() }
}
