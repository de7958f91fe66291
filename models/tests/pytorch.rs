//! The exchange of weights with PyTorch, for every model of the zoo and every kind of head.
//!
//! The expected logits come from `fixtures/pytorch.py`, which defines the networks in PyTorch. Where the environment
//! variable `PYTHON` names an interpreter with torch and safetensors, PyTorch also loads the weights that are written here.

#[path = "common/formula.rs"]
mod formula;
#[path = "common/python.rs"]
mod python;

use std::{collections::BTreeMap, fs, path::PathBuf};

use candle_core::{Device, Result, Tensor};
use datasets::Standardization;
use formula::{fill, values};
use heads::HeadConfig;
use layers::{Layer, Mode};
use models::{ModelName, NetworkInfo, Trained};
use serde::Deserialize;
use training::{Loss, Optimizer, OptimizerConfig, Parameters};

const IMAGES: usize = 4;
const TOLERANCE: f32 = 1e-4;

/// A network of `pytorch.json`.
#[derive(Deserialize)]
struct Case {
    model: ModelName,
    head: String,
    input: [usize; 3],
    /// The shapes of the tensors of PyTorch's `state_dict` by their names.
    state_dict: BTreeMap<String, Vec<usize>>,
    logits: Vec<Vec<f32>>,
    /// The logits after a step of SGD with a learning rate of 0.001, a momentum of 0.9 and a weight decay of 0.001.
    after_a_step: Vec<Vec<f32>>,
}

impl Case {
    fn build(&self, parameters: Parameters) -> Trained {
        let channels = self.input[0];
        let info = NetworkInfo {
            model: self.model,
            head: self.head.parse().unwrap(),
            input: self.input,
            classes: (0..10).map(|class| class.to_string()).collect(),
            standardization: Standardization { mean: vec![0.5; channels], std: vec![0.25; channels] },
            dataset: None,
            training: None,
        };
        Trained::new(info, parameters).unwrap()
    }

    /// Builds the network with the weights of the formula.
    fn filled(&self) -> Trained {
        let trained = self.build(Parameters::zeros(&Device::Cpu));
        fill(&trained.parameters).unwrap();
        trained
    }

    fn images(&self) -> Result<Tensor> {
        let [channels, height, width] = self.input;
        values("images", &[IMAGES, channels, height, width])
    }

    fn name(&self) -> String {
        format!("{} {}", self.model, self.head)
    }
}

fn fixture(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests/fixtures", name].iter().collect()
}

fn cases() -> Vec<Case> {
    serde_json::from_slice(&fs::read(fixture("pytorch.json")).unwrap()).unwrap()
}

fn logits(trained: &Trained, images: &Tensor) -> Result<Tensor> {
    trained.network.forward(images, Mode::Inference)
}

fn expected(rows: &[Vec<f32>]) -> Result<Tensor> {
    Tensor::new(rows.to_vec(), &Device::Cpu)
}

/// Returns the largest absolute difference.
fn difference(a: &Tensor, b: &Tensor) -> Result<f32> {
    (a - b)?.abs()?.max_all()?.to_scalar()
}

/// Trains on the images, the i-th of which has the class i.
fn train_one_step(trained: &Trained, images: &Tensor) -> Result<()> {
    let mut config = OptimizerConfig::sgd();
    if let OptimizerConfig::Sgd { momentum, weight_decay, .. } = &mut config {
        (*momentum, *weight_decay) = (0.9, 1e-3);
    }
    let mut optimizer = Optimizer::new(&config, &trained.parameters)?;
    // The fixtures have no dropout. Networks with dropout have no batch normalisation, which would differ in evaluation.
    let has_norm = trained.parameters.all().iter().any(|(name, _)| name.ends_with("running_mean"));
    let mode = if has_norm { Mode::Train { seed: 0, step: 0 } } else { Mode::Eval };
    let targets = Tensor::arange(0, IMAGES as u32, &Device::Cpu)?;
    let loss = Loss::default().forward(&trained.network.forward(images, mode)?, &targets)?;
    optimizer.step(&loss.backward()?, 1e-3)
}

#[test]
fn every_model_of_the_zoo_and_every_kind_of_head_has_a_fixture() {
    let cases = cases();
    for architecture in models::list() {
        assert!(cases.iter().any(|case| case.model.architecture().name == architecture.name), "{}", architecture.name);
    }
    for (head, _) in HeadConfig::examples() {
        let kind = |head: &str| head.split(':').next().map(String::from);
        assert!(cases.iter().any(|case| kind(&case.head) == kind(&head.to_string())), "{head}");
    }
}

#[test]
fn names_and_shapes_are_those_of_a_state_dict() {
    for case in cases() {
        let ours = case.build(Parameters::zeros(&Device::Cpu)).parameters.all();
        let ours: BTreeMap<_, _> = ours.into_iter().map(|(name, variable)| (name, variable.dims().to_vec())).collect();
        let mut theirs = case.state_dict.clone();
        theirs.retain(|name, _| !name.ends_with("num_batches_tracked"));
        assert_eq!(ours, theirs, "{}", case.name());
    }
}

#[test]
fn logits_are_pytorchs_before_and_after_a_training_step() -> Result<()> {
    for case in cases() {
        let (trained, images) = (case.filled(), case.images()?);
        let before = difference(&logits(&trained, &images)?, &expected(&case.logits)?)?;
        train_one_step(&trained, &images)?;
        let after = difference(&logits(&trained, &images)?, &expected(&case.after_a_step)?)?;
        eprintln!("{}: {before:.1e}, after a training step {after:.1e}", case.name());
        assert!(before <= TOLERANCE && after <= TOLERANCE, "{}: {before}, {after}", case.name());
        let moved = difference(&expected(&case.logits)?, &expected(&case.after_a_step)?)?;
        assert!(moved > 10. * TOLERANCE, "{}: the step changes no logit by more than {moved}", case.name());
    }
    Ok(())
}

#[test]
fn a_checkpoint_of_pytorch_with_torchvisions_names_is_loaded() -> Result<()> {
    let cases = cases();
    let case = cases.iter().find(|case| case.model.architecture().name == "resnet8").unwrap();
    let trained = case.build(Parameters::seeded(1, &Device::Cpu));
    trained.parameters.load(&fixture("resnet8.pth"))?;
    assert_eq!(trained.parameters.sha256()?, case.filled().parameters.sha256()?);
    Ok(())
}

#[test]
fn pytorch_loads_what_is_written_here_and_its_file_is_loaded_again() -> Result<()> {
    let (folder, cases) = (tempfile::tempdir()?, cases());
    let path = |index: usize, extension: &str| folder.path().join(format!("{index:02}.{extension}"));
    for (index, case) in cases.iter().enumerate() {
        let trained = case.filled();
        train_one_step(&trained, &case.images()?)?;
        trained.save_state_dict(path(index, "safetensors"))?;
        let logits = logits(&trained, &case.images()?)?.to_vec2::<f32>()?;
        let case = serde_json::json!({
            "model": case.model, "head": case.head, "input": case.input, "logits": logits
        });
        fs::write(path(index, "json"), case.to_string())?;
    }
    let Some(printed) = python::python("pytorch.py", &["check".as_ref(), folder.path().as_os_str()]) else {
        return Ok(());
    };
    assert_eq!(printed.lines().count(), cases.len());
    for (index, case) in cases.iter().enumerate() {
        let (written, again) =
            (models::load(path(index, "safetensors"))?, case.build(Parameters::seeded(6, &Device::Cpu)));
        again.parameters.load(&path(index, "pth"))?;
        assert_eq!(again.parameters.sha256()?, written.parameters.sha256()?, "{}", case.name());
    }
    Ok(())
}
