//! The images of a sweep: each data set is loaded once, and all runs share its splits.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use datasets::{Canvas, Dataset, DatasetError, DatasetId, Images, LoadOptions, Object, Placed, Standardization};
use sha2::{Digest, Sha256};

use crate::{misuse::Misuse, shape::Shape};

/// The seed of the validation split and of the training subsets, which are the same for all seeds of a suite.
const SPLIT_SEED: u64 = 0;

/// The parts of a data set. Each is placed on its canvases with its own seed, the same for all seeds of a suite.
#[derive(Clone, Copy)]
enum Split {
    Train = 0,
    Validation = 1,
    Test = 2,
}

/// The data that a suite's runs need. There is one [`Data`] for every combination of data set, canvas and training size.
#[derive(Clone, Debug)]
pub struct DataSpec {
    pub datasets: Vec<DatasetId>,
    /// The shape (C, H, W) that the images of a folder are resized to.
    pub folder_input: [usize; 3],
    /// The canvases that all images are placed on; `None` leaves the images as they are.
    pub canvases: Vec<Option<Canvas>>,
    /// The numbers of training images; `None` uses all that are not held out.
    pub train_sizes: Vec<Option<usize>>,
    /// The number of training images that are held out for validation, limited to a tenth of them.
    pub validation: usize,
}

/// The images that a run is trained and measured on, as bytes. Batches are standardised when they are drawn.
#[derive(Clone, Debug)]
pub struct Data {
    pub id: DatasetId,
    /// The data set's name, without the path of a folder.
    pub name: String,
    /// The number of classes.
    pub classes: usize,
    pub canvas: Option<Canvas>,
    pub train: Images,
    /// The images held out of the training images; `None` if the suite holds none out.
    pub validation: Option<Images>,
    /// The test images on the canvas; read once, after the last epoch.
    pub test: Images,
    /// The test images before they are placed on a canvas.
    pub original_test: Images,
    /// The object on each validation image, where the canvas determines it.
    pub validation_objects: Option<Vec<Object>>,
    pub test_objects: Option<Vec<Object>>,
    /// The statistics of the training images.
    pub standardization: Standardization,
    /// A hash of all images and labels of the data set, 16 hexadecimal digits: equal for equal content, whichever files
    /// it was read from.
    pub fingerprint: String,
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
    pub fn load(&self, data_dir: Option<&Path>) -> Result<Vec<Arc<Data>>> {
        let mut all = Vec::new();
        for id in &self.datasets {
            let dataset = self.find(id, data_dir)?;
            if let Some(text) = skipped_files(&dataset) {
                eprintln!("{id}: {text}");
            }
            self.prepare(id, dataset, &mut all)?;
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

    /// Splits a data set, places it on the canvases and takes the training subsets.
    fn prepare(&self, id: &DatasetId, dataset: Dataset, all: &mut Vec<Arc<Data>>) -> Result<()> {
        let fingerprint = fingerprint(&dataset);
        let (rest, validation) = match self.validation.min(dataset.train.len() / 10) {
            0 => (dataset.train, None),
            held_out => {
                let (rest, validation) = dataset.train.stratified_split(held_out, SPLIT_SEED).map_err(misuse)?;
                (rest, Some(validation))
            }
        };
        for &canvas in &self.canvases {
            let validation = validation.as_ref().map(|images| place(canvas, images, Split::Validation)).transpose()?;
            let (validation, validation_objects) =
                validation.map_or((None, None), |placed| (Some(placed.images), placed.objects));
            let test = place(canvas, &dataset.test, Split::Test)?;
            for size in &self.train_sizes {
                let subset = size.map(|size| rest.stratified_subset(size, SPLIT_SEED)).transpose().map_err(misuse)?;
                let train = place(canvas, subset.as_ref().unwrap_or(&rest), Split::Train)?.images;
                all.push(Arc::new(Data {
                    id: id.clone(),
                    name: short_name(id, &dataset.name),
                    classes: dataset.classes.len(),
                    canvas,
                    standardization: Standardization::of(&train),
                    train,
                    validation: validation.clone(),
                    test: test.images.clone(),
                    original_test: dataset.test.clone(),
                    validation_objects: validation_objects.clone(),
                    test_objects: test.objects.clone(),
                    fingerprint: fingerprint.clone(),
                }));
            }
        }
        Ok(())
    }
}

impl Data {
    /// The same data with the validation images in the place of the test images; `None` if none are held out.
    pub fn without_test(&self) -> Option<Self> {
        let test_objects = self.validation_objects.clone();
        Some(Self {
            test: self.validation.clone()?,
            test_objects,
            original_test: self.train.subset(&[]),
            ..self.clone()
        })
    }
}

fn place(canvas: Option<Canvas>, images: &Images, split: Split) -> Result<Placed> {
    match canvas {
        Some(canvas) => canvas.apply(images, split as u64).map_err(misuse),
        None => Ok(Placed { images: images.clone(), objects: None }),
    }
}

/// The folder of a data set's files. With several data sets, whose files have the same names, it is a subfolder of `dir`
/// with the data set's name; with one it may be.
fn subfolder(id: &DatasetId, dir: &Path, several: bool) -> PathBuf {
    let own = dir.join(id.to_string());
    if several || own.is_dir() { own } else { dir.into() }
}

/// The name of a data set in tables and file names. A folder's path is left out, since the fingerprint identifies it.
fn short_name(id: &DatasetId, name: &str) -> String {
    match (id, Path::new(name).file_name()) {
        (DatasetId::Folder(_), Some(last)) => last.to_string_lossy().into_owned(),
        _ => name.into(),
    }
}

/// A request that the data set cannot fulfil is the user's mistake.
fn misuse(error: DatasetError) -> anyhow::Error {
    Misuse::from(error).into()
}

fn fingerprint(data: &Dataset) -> String {
    let mut hash = Sha256::new();
    for images in [&data.train, &data.test] {
        hash.update(format!("{:?} {} ", images.shape, images.len()));
        hash.update(&images.pixels);
        images.labels.iter().for_each(|label| hash.update(label.to_le_bytes()));
    }
    hex::encode(hash.finalize())[..16].into()
}
