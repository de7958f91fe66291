//! The data of a sweep: loaded once, the same splits for all runs.

use std::path::Path;

use anyhow::{Result, anyhow};
use datasets::{Dataset, DatasetError, DatasetId, Images, LoadOptions, Object, Standardization};
use sha2::{Digest, Sha256};

use crate::{
    cli::{RunOptions, Shape},
    misuse::Misuse,
    suite::Suite,
};

/// The validation split and the subset to train on never change with a run's seed.
const SPLIT_SEED: u64 = 0;

/// Loads a data set; where it is not at hand, the error says how to get at it from the command line.
pub fn load(id: &DatasetId, options: &LoadOptions) -> Result<Dataset> {
    datasets::load(id, options).map_err(|error| match error {
        DatasetError::NotAtHand { .. } => {
            anyhow!("{error} (that is, `--data-dir DIR`, or `cargo run -p experiments --features hub -- …`)")
        }
        error => error.into(),
    })
}

#[derive(Clone)]
pub struct Data {
    pub name: String,
    pub classes: usize,
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
    pub fn load(suite: &Suite, options: &RunOptions) -> Result<Self> {
        check_input(&suite.dataset, options.input)?;
        let input = Some(suite.input()?);
        let loaded = load(&suite.dataset, &LoadOptions { data_dir: options.data_dir.clone(), input })?;
        let fingerprint = fingerprint(&loaded);
        // Of a small data set no more than a tenth.
        let (mut train, validation) = match suite.validation.min(loaded.train.len() / 10) {
            0 => (loaded.train, None),
            held_out => {
                let (rest, validation) = loaded.train.stratified_split(held_out, SPLIT_SEED).map_err(misuse)?;
                (rest, Some(validation))
            }
        };
        if let Some(size) = suite.train_size {
            train = train.stratified_subset(size, SPLIT_SEED).map_err(misuse)?;
        }
        Ok(Self {
            name: short_name(&suite.dataset, loaded.name),
            classes: loaded.classes.len(),
            standardization: Standardization::of(&train),
            train,
            validation,
            plain_test: loaded.test.clone(),
            test: loaded.test,
            validation_objects: None,
            test_objects: None,
            fingerprint,
        })
    }
}

impl Data {
    /// The validation images in the place of the test images; none where nothing is held out.
    pub fn without_test(&self) -> Option<Self> {
        Some(Self { test: self.validation.clone()?, ..self.clone() })
    }
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
