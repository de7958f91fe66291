//! Weights that fit a model partly, and files that only look like weights.

use std::{collections::HashMap, fs, path::Path};

use candle_core::{Device, Result, Tensor};
use layers::Stack;
use tempfile::TempDir;
use training::Parameters;

/// Builds `features` with a batch normalisation, and a `classifier`.
fn network(seed: u64, classes: usize) -> Parameters {
    let parameters = Parameters::seeded(seed, &Device::Cpu);
    let builder = parameters.builder();
    Stack::new(&[1, 6, 6], builder.pp("features")).conv(3, 3).batch_norm().build().unwrap();
    Stack::new(&[48], builder).name("classifier").linear(classes).build().unwrap();
    parameters
}

fn tensors(parameters: &Parameters) -> HashMap<String, Tensor> {
    parameters.all().into_iter().map(|(name, variable)| (name, variable.as_detached_tensor())).collect()
}

fn save(tensors: HashMap<String, Tensor>, folder: &TempDir) -> std::path::PathBuf {
    let path = folder.path().join("weights.safetensors");
    candle_core::safetensors::save(&tensors, &path).unwrap();
    path
}

fn error(parameters: &Parameters, path: &Path) -> String {
    let before = parameters.sha256().unwrap();
    let error = parameters.load(path).unwrap_err().to_string();
    assert_eq!(parameters.sha256().unwrap(), before, "an error changed the weights");
    error
}

fn values(parameters: &Parameters, name: &str) -> Vec<f32> {
    tensors(parameters)[name].flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn a_network_of_other_classes_gives_all_but_its_classifier() -> Result<()> {
    let folder = TempDir::new()?;
    let (ten, three) = (network(1, 10), network(2, 3));
    let mut file = tensors(&ten);
    file.insert("features.1.num_batches_tracked".into(), Tensor::new(7i64, &Device::Cpu)?);
    file.insert("extra".into(), Tensor::new(&[1f32], &Device::Cpu)?);
    let path = save(file, &folder);
    let before = values(&three, "classifier.weight");

    let matching = three.load_matching(&path)?;
    let features = ["0.bias", "0.weight", "1.bias", "1.running_mean", "1.running_var", "1.weight"];
    assert_eq!(matching.loaded, features.map(|name| format!("features.{name}")));
    let skipped =
        ["classifier.bias has the shape [10], not [3]", "classifier.weight has the shape [10, 48], not [3, 48]"];
    assert_eq!(matching.skipped, [&skipped[..], &["extra is not in the model"]].concat());
    assert_eq!(values(&three, "features.0.weight"), values(&ten, "features.0.weight"));
    assert_eq!(values(&three, "classifier.weight"), before);
    Ok(())
}

#[test]
fn a_prefix_takes_one_part_of_the_model_and_checks_it_strictly() -> Result<()> {
    let folder = TempDir::new()?;
    let (ten, three) = (network(1, 10), network(2, 3));
    let path = save(tensors(&ten), &folder);
    let before = values(&three, "classifier.bias");
    three.load_prefix(&path, "features")?;
    assert_eq!(values(&three, "features.0.weight"), values(&ten, "features.0.weight"));
    assert_eq!(values(&three, "classifier.bias"), before);

    let error = |path: &Path, prefix: &str| three.load_prefix(path, prefix).unwrap_err().to_string();
    assert!(error(&path, "feat").contains("the model has no parameters under `feat`"));
    assert!(error(&path, "classifier").contains("classifier.bias has the shape [10], not [3]"));
    let mut incomplete = tensors(&ten);
    incomplete.remove("features.1.running_var");
    assert!(error(&save(incomplete, &folder), "features").contains("features.1.running_var is missing"));
    Ok(())
}

#[test]
fn a_header_whose_length_looks_like_a_pickle_is_read() -> Result<()> {
    let folder = TempDir::new()?;
    let path = folder.path().join("weights.safetensors");
    let parameters = Parameters::seeded(0, &Device::Cpu);
    Stack::new(&[2], parameters.builder()).linear(3).build()?;
    // 640 = 0x280 bytes of header, filled up by the metadata.
    let length = |text: usize| -> Result<u64> {
        parameters.save_with_metadata(&path, "text", "x".repeat(text))?;
        Ok(u64::from_le_bytes(fs::read(&path)?[..8].try_into().unwrap()))
    };
    let missing = 640 - length(1)? as usize;
    assert_eq!(length(1 + missing)?, 640);
    parameters.load(&path)
}

#[test]
fn files_of_pytorch_that_cannot_be_read_are_errors_with_a_reason() -> Result<()> {
    let folder = TempDir::new()?;
    let path = folder.path().join("archive.pth");
    fs::write(&path, b"PK\x03\x04 not an archive")?;
    let fixture = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    for (path, reason) in [
        (path, "contains no tensors"),
        (fixture("broken.pth"), "is broken, or holds something else"),
        (fixture("channels_last.pth"), "call `contiguous()`"),
    ] {
        let error = error(&network(0, 3), &path);
        assert!(error.contains(path.to_str().unwrap()) && error.contains(reason), "{error}");
    }
    Ok(())
}
