use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::file::file_name;

/// Everything that determines the result of a run. In JSON it is flat, with its keys in alphabetical order, and has no keys
/// for what is `None`. An unknown key is an error, as an optional one that is misspelt would otherwise be missed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// The random changes of training images, such as `shift(2)+flip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augment: Option<String>,
    /// The number of images per update.
    pub batch_size: usize,
    /// The canvas that images are placed on, such as `centred(size=52)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canvas: Option<String>,
    /// The number of classes.
    pub classes: usize,
    /// A hash of all images and labels of the data set, 16 hexadecimal digits.
    pub data_fingerprint: String,
    /// The name of the data set.
    pub dataset: String,
    /// The device: `cpu`, `cuda` or `metal`.
    pub device: String,
    /// The length of training, if it was given in epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
    /// True if the backbone was not trained.
    #[serde(default, skip_serializing_if = "is_false")]
    pub freeze: bool,
    /// The head, such as `fc:128`.
    pub head: String,
    /// A hash of the file of weights that training started from, 16 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<String>,
    /// The shape of an image, such as `1x28x28`.
    pub input: String,
    /// The peak learning rate.
    pub lr: f64,
    /// The measure of the suite besides accuracy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<String>,
    /// The model with its width, such as `nin@0.25`.
    pub model: String,
    /// The options of a network that has more of them than its head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Value>,
    /// The optimiser with its parameters.
    pub optimizer: String,
    /// The options of the generator of synthetic data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planted: Option<Value>,
    /// The schedule of the learning rate.
    pub schedule: String,
    /// The seed of initialisation, order of images and dropout.
    pub seed: u64,
    /// A label that distinguishes variants with the same model and head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setting: Option<String>,
    /// The number of training images.
    pub train_size: usize,
    /// The length of training, if it was given in updates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updates: Option<u64>,
    /// The number of training images held out for validation.
    pub validation: usize,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl RunConfig {
    /// A hash of everything but the seed, 16 hexadecimal digits. Runs with equal hashes are comparable.
    pub fn hash(&self) -> String {
        let mut entries = self.entries();
        entries.remove("seed");
        let text: Value = entries.into_iter().collect();
        hex::encode(Sha256::digest(text.to_string()))[..16].into()
    }

    /// Returns what the samples are called, in the plural: images, or pairs of a protein and a drug.
    pub fn samples(&self) -> &'static str {
        // Only networks for pairs have options of their own.
        if self.network.is_some() { "pairs" } else { "images" }
    }

    /// The name of the record's file without its extension: `DATASET.MODEL.HEAD.seedN.HASH`. The hash, which is the start
    /// of [`hash`](Self::hash), distinguishes runs that differ in something else.
    pub fn file_stem(&self) -> String {
        let Self { dataset, model, head, seed, .. } = self;
        file_name(&format!("{dataset}.{model}.{head}.seed{seed}.{}", &self.hash()[..8]))
    }

    /// The keys, except the seed, in which two configurations differ.
    pub fn differing_keys(&self, other: &Self) -> Vec<String> {
        let (ours, theirs) = (self.entries(), other.entries());
        let keys: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        keys.into_iter().filter(|key| *key != "seed" && ours.get(*key) != theirs.get(*key)).cloned().collect()
    }

    /// The keys and values of the JSON form, sorted by key.
    fn entries(&self) -> BTreeMap<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(entries)) => entries.into_iter().collect(),
            // A struct of numbers and strings always serialises to an object.
            _ => BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::record;

    #[test]
    fn the_hash_covers_everything_but_the_seed() {
        let config = record("fc", 0, 0, 0.9).config;
        let mut other = config.clone();
        other.seed = 7;
        assert_eq!(config.hash(), other.hash());
        assert!(config.differing_keys(&other).is_empty());
        other.updates = Some(9);
        other.lr = 0.5;
        assert_ne!(config.hash(), other.hash());
        assert_eq!(config.differing_keys(&other), ["lr", "updates"]);
    }

    #[test]
    fn a_misspelt_key_is_an_error_also_where_the_key_is_optional() {
        let json = serde_json::to_string(&record("fc", 0, 0, 0.9).config).unwrap();
        let error = serde_json::from_str::<RunConfig>(&json.replace("epochs", "epoch")).unwrap_err().to_string();
        assert!(error.contains("unknown field `epoch`"), "{error}");
    }

    #[test]
    fn what_is_not_there_has_no_key() {
        let json = serde_json::to_string(&record("fc", 0, 0, 0.9).config).unwrap();
        assert!(json.contains("\"epochs\":2") && !json.contains("updates") && !json.contains("setting"), "{json}");
    }
}
