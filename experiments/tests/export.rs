//! `export`: trained networks for other programs.

mod common;

use std::{fs, path::PathBuf};

use candle_core::Device;
use common::{experiments, stderr, stdout};
use datasets::Standardization;
use models::{NetworkInfo, Trained};
use tempfile::TempDir;
use training::Parameters;

/// Saves an untrained network.
fn save(folder: &TempDir, model: &str, head: &str) -> PathBuf {
    let model: models::ModelName = model.parse().unwrap();
    let input = model.architecture().default_input;
    let info = NetworkInfo {
        model,
        head: head.parse().unwrap(),
        input,
        classes: ["ant", "bee", "cow"].map(String::from).to_vec(),
        standardization: Standardization { mean: vec![0.5; input[0]], std: vec![0.25; input[0]] },
        dataset: Some("animals".into()),
        training: None,
    };
    let path = folder.path().join("network.safetensors");
    Trained::new(info, Parameters::seeded(0, &Device::Cpu)).unwrap().save(&path).unwrap();
    path
}

#[test]
fn weights_for_pytorch_have_all_keys_of_a_state_dict_and_can_be_loaded_here_too() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, out) = (save(&folder, "resnet8@0.25", "gap-fc"), folder.path().join("out.safetensors"));
    stdout(experiments(&["export"]).args([&weights, &out]));
    let (network, exported) = (models::load(&weights).unwrap(), models::load(&out).unwrap());
    assert_eq!(exported.info, network.info);
    assert_eq!(exported.parameters.sha256().unwrap(), network.parameters.sha256().unwrap());
    let tensors = candle_core::safetensors::load(&out, &Device::Cpu).unwrap();
    let counters = tensors.keys().filter(|name| name.ends_with("num_batches_tracked")).count();
    assert_eq!((counters, tensors.len()), (7, network.parameters.all().len() + 7));
}

#[test]
fn an_onnx_model_has_its_description_with_it_and_the_evidence_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let (weights, out) = (save(&folder, "two-conv@0.25", "fc"), folder.path().join("out.onnx"));
    let exported = |more: &[&str]| {
        stdout(experiments(&["export"]).args([&weights, &out]).args(more));
        fs::read(&out).unwrap()
    };
    let has = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    let (logits, evidence) = (exported(&[]), exported(&["--evidence"]));
    for text in ["logits", "pixels from 0 to 1", r#"["ant","bee","cow"]"#, "features.3.weight"] {
        assert!(has(&logits, text) && has(&evidence, text), "{text}");
    }
    assert_eq!((has(&logits, "evidence"), has(&evidence, "evidence")), (false, true));
}

#[test]
fn what_cannot_be_exported_is_said_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let weights = save(&folder, "two-conv@0.25", "fc:8");
    for (out, more, code, message) in [
        ("out.bin", &[][..], 2, "possible: a file .safetensors or .onnx"),
        ("out", &[], 2, "possible: a file .safetensors or .onnx"),
        ("out.safetensors", &["--evidence"], 2, "--evidence is an output of an ONNX model"),
        ("out.onnx", &["--evidence"], 2, "hidden units need gradients"),
        ("no-such-folder/out.onnx", &[], 1, "no-such-folder"),
        ("no-such-folder/out.safetensors", &[], 1, "no-such-folder"),
    ] {
        let out = folder.path().join(out);
        let error = stderr(experiments(&["export"]).args([&weights, &out]).args(more), code);
        assert!(error.contains(message) && error.lines().count() == 1, "{error}");
        assert!(!out.exists());
    }
    let error = stderr(experiments(&["export", "no-such-weights"]).arg(folder.path().join("out.onnx")), 2);
    assert!(error.contains("no-such-weights") && error.contains("list weights"), "{error}");
}
