//! The images of a sweep: each data set is loaded once, and all runs share its splits.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use datasets::{Dataset, DatasetError, DatasetId, LoadOptions, Shape, SplitOptions, Splits, printable};

use crate::{misuse::Misuse, output::note};

/// The data that a suite's runs need. There is one [`Splits`] for every combination of data set, canvas and training size.
#[derive(Clone, Debug)]
pub struct DataSpec {
    pub datasets: Vec<DatasetId>,
    /// The shape (C, H, W) that the images of a folder are resized to.
    pub folder_input: [usize; 3],
    pub splits: SplitOptions,
    /// The end of the error for a data set with too few images: it says what the user can do.
    pub remedy: &'static str,
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

/// Says what is unusual about a data set: skipped files, and classes that lack images in one of the splits.
pub fn remarks(dataset: &Dataset) -> Vec<String> {
    let mut remarks = Vec::new();
    match dataset.skipped_files {
        0 => {}
        1 => remarks.push("1 file that is not an image was skipped".into()),
        count => remarks.push(format!("{count} files that are not images were skipped")),
    }
    for (images, kind) in [(&dataset.train, "training"), (&dataset.test, "test")] {
        let counts = images.class_counts(dataset.classes.len()).into_iter().zip(&dataset.classes);
        let lacking: Vec<String> = counts.filter(|(count, _)| *count == 0).map(|(_, class)| printable(class)).collect();
        match lacking.as_slice() {
            [] => {}
            [class] => remarks.push(format!("the class {class} has no {kind} images")),
            classes => remarks.push(format!("the classes {} have no {kind} images", classes.join(", "))),
        }
    }
    remarks
}

/// Checks that `--data-dir` is given for data sets that are read from it: the embedded one has no files, and a folder of
/// images is named by its path.
pub fn check_data_dir(ids: &[DatasetId], data_dir: Option<&Path>) -> Result<(), Misuse> {
    let uses_it = |id: &DatasetId| !matches!(id, DatasetId::MnistMini | DatasetId::Folder(_));
    match (ids, data_dir) {
        ([id, ..], Some(dir)) if !ids.iter().any(uses_it) => Err(Misuse::new(format!(
            "--data-dir {} is only for data sets that are read from files, such as mnist; {id} needs none",
            dir.display()
        ))),
        _ => Ok(()),
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
    /// or a subfolder for each of several. Standard error tells what is unusual about each.
    ///
    /// # Errors
    /// [`Misuse`] for impossible splits, canvases that do not fit and data of one class only; otherwise, problems with the files.
    pub fn load(&self, data_dir: Option<&Path>) -> Result<Vec<Arc<Splits>>> {
        check_data_dir(&self.datasets, data_dir)?;
        let mut all = Vec::new();
        for id in &self.datasets {
            let dataset = self.find(id, data_dir)?;
            remarks(&dataset).iter().for_each(|remark| note(&format!("{}: {remark}", printable(&id.to_string()))));
            if let [class] = dataset.classes.as_slice() {
                let class = printable(class);
                return Err(Misuse::new(format!("{id} has one class only, {class}; at least two are needed")).into());
            }
            all.extend(
                dataset.splits(id, &self.splits).map_err(|error| self.impossible(id, error))?.into_iter().map(Arc::new),
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

    /// A request that the data set cannot fulfil is the user's mistake.
    fn impossible(&self, id: &DatasetId, error: DatasetError) -> Misuse {
        match error {
            DatasetError::InvalidCount { .. } => Misuse::new(format!("{id}: {error}; {}", self.remedy)),
            error => Misuse::from(error),
        }
    }
}

/// The folder of a data set's files. With several data sets, whose files have the same names, it is a subfolder of `dir`
/// with the data set's name; with one it may be.
fn subfolder(id: &DatasetId, dir: &Path, several: bool) -> PathBuf {
    let own = dir.join(id.to_string());
    if several || own.is_dir() { own } else { dir.into() }
}
