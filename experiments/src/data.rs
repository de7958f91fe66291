//! The data of a sweep: each data set loaded once, the same splits for all runs.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, anyhow};
use datasets::{Canvas, Dataset, DatasetError, DatasetId, Images, LoadOptions, Object, Placed, Standardization};
use sha2::{Digest, Sha256};

use crate::{
    cli::{RunOptions, Shape},
    misuse::Misuse,
    suite::Suite,
};

/// The validation split and the subset to train on never change with a run's seed.
const SPLIT_SEED: u64 = 0;
/// Nor do the canvases of the training, the validation and the test images.
const CANVAS_SEEDS: [u64; 3] = [0, 1, 2];

/// Loads a data set; where it is not at hand, the error says how to get at it from the command line.
pub fn load(id: &DatasetId, options: &LoadOptions) -> Result<Dataset> {
    datasets::load(id, options).map_err(|error| match error {
        DatasetError::NotAtHand { .. } => {
            anyhow!("{error} (that is, `--data-dir DIR`, or `cargo run -p experiments --features hub -- …`)")
        }
        error => error.into(),
    })
}

/// What runs are trained and measured on. Images are bytes: they become numbers batch by batch.
#[derive(Clone, Debug)]
pub struct Data {
    pub id: DatasetId,
    pub name: String,
    pub classes: usize,
    /// That the images are on.
    pub canvas: Option<Canvas>,
    pub train: Images,
    /// Held out of the training images; none where the suite holds nothing out.
    pub validation: Option<Images>,
    /// Read once, after the last epoch.
    pub test: Images,
    /// The test images as the data set has them, on no canvas.
    pub plain_test: Images,
    /// Where the object of each validation image is, if the suite's canvas tells.
    pub validation_objects: Option<Vec<Object>>,
    pub test_objects: Option<Vec<Object>>,
    /// Of the images trained on.
    pub standardization: Standardization,
    /// Of all images and labels, 16 hexadecimal digits: the same whichever files they came from.
    pub fingerprint: String,
}

/// Only the images of a folder are resized.
///
/// # Errors
/// [`Misuse`] where another data set is to be resized.
pub fn check_input(id: &DatasetId, input: Option<Shape>) -> Result<()> {
    match (id, input) {
        (DatasetId::Folder(_), _) | (_, None) => Ok(()),
        _ => Err(Misuse::new(format!("--input is for folders of images; {id} has a size of its own")).into()),
    }
}

impl Data {
    /// All that the suite's runs need: by data set, canvas and number of training images, in the suite's order.
    ///
    /// # Errors
    /// [`Misuse`] for splits that are not possible and canvases that do not fit; else what is wrong with the files.
    pub fn load(suite: &Suite, options: &RunOptions) -> Result<Vec<Arc<Self>>> {
        let mut all = Vec::new();
        for id in &suite.datasets {
            check_input(id, options.input)?;
            let input = Some(suite.input()?);
            let data_dir = options.data_dir.as_ref().map(|dir| folder_of(id, dir, suite.datasets.len()));
            let mut loaded = match data_dir {
                Some(data_dir) if !data_dir.is_dir() && suite.datasets.len() > 1 => {
                    // It may lie where it is looked for without being told.
                    load(id, &LoadOptions { data_dir: None, input })
                        .with_context(|| format!("there is no folder {}", data_dir.display()))?
                }
                data_dir => load(id, &LoadOptions { data_dir, input })?,
            };
            loaded.name = short_name(id, loaded.name);
            let fingerprint = fingerprint(&loaded);
            // Of a small data set no more than a tenth.
            let (train, validation) = match suite.validation.min(loaded.train.len() / 10) {
                0 => (loaded.train.clone(), None),
                held_out => {
                    let (rest, validation) = loaded.train.stratified_split(held_out, SPLIT_SEED).map_err(misuse)?;
                    (rest, Some(validation))
                }
            };
            for &canvas in &suite.canvases {
                let place = |images: &Images, split: usize| match canvas {
                    Some(canvas) => canvas.apply(images, CANVAS_SEEDS[split]).map_err(misuse),
                    None => Ok(Placed { images: images.clone(), objects: None }),
                };
                let held_out = validation.as_ref().map(|images| place(images, 1)).transpose()?;
                let (held_out, validation_objects) =
                    held_out.map_or((None, None), |placed| (Some(placed.images), placed.objects));
                let test = place(&loaded.test, 2)?;
                for size in &suite.train_sizes {
                    let subset = size.map(|size| train.stratified_subset(size, SPLIT_SEED)).transpose();
                    let train = place(subset.map_err(misuse)?.as_ref().unwrap_or(&train), 0)?.images;
                    all.push(Arc::new(Self {
                        id: id.clone(),
                        name: loaded.name.clone(),
                        classes: loaded.classes.len(),
                        canvas,
                        standardization: Standardization::of(&train),
                        train,
                        validation: held_out.clone(),
                        test: test.images.clone(),
                        plain_test: loaded.test.clone(),
                        validation_objects: validation_objects.clone(),
                        test_objects: test.objects.clone(),
                        fingerprint: fingerprint.clone(),
                    }));
                }
            }
        }
        Ok(all)
    }

    /// The validation images in the place of the test images; none where nothing is held out.
    pub fn without_test(&self) -> Option<Self> {
        let test_objects = self.validation_objects.clone();
        Some(Self { test: self.validation.clone()?, test_objects, plain_test: self.train.subset(&[]), ..self.clone() })
    }
}

/// Of several data sets, whose files have the same names, each has a folder of its name in `dir`; a single one may.
fn folder_of(id: &DatasetId, dir: &Path, count: usize) -> PathBuf {
    let own = dir.join(id.to_string());
    if count > 1 || own.is_dir() { own } else { dir.into() }
}

/// A folder goes by its own name, wherever it lies: its content is known by the fingerprint.
fn short_name(id: &DatasetId, name: String) -> String {
    match (id, Path::new(&name).file_name()) {
        (DatasetId::Folder(_), Some(last)) => last.to_string_lossy().into_owned(),
        _ => name,
    }
}

/// The data are right, what is asked of them is not.
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
    hex(&hash.finalize())[..16].into()
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
