//! Initialisation, saving and loading of parameters.

use std::{collections::HashMap, path::Path};

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::Init;
use layers::{Layer, Mode, Stack};
use tempfile::TempDir;
use training::Parameters;

const CPU: Device = Device::Cpu;
const UNIFORM: Init = Init::Uniform { lo: -1., up: 1. };

/// Builds a convolution with batch normalisation and a classifier.
fn network(seed: u64, classes: usize) -> Parameters {
    let parameters = Parameters::seeded(seed, &CPU);
    let stack = Stack::new(&[1, 6, 6], parameters.builder()).conv(3, 3).batch_norm().relu().flatten();
    stack.name("head").linear(classes).build().unwrap();
    parameters
}

fn values(parameters: &Parameters, name: &str) -> Vec<f32> {
    let (_, variable) = parameters.all().into_iter().find(|(n, _)| n == name).unwrap();
    variable.flatten_all().unwrap().to_vec1().unwrap()
}

fn names(parameters: Vec<(String, candle_core::Var)>) -> Vec<String> {
    parameters.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn weights_depend_on_seed_and_name_but_not_on_the_order_of_asking() -> Result<()> {
    let asked = |seed, order: &[&str]| -> Result<Parameters> {
        let parameters = Parameters::seeded(seed, &CPU);
        for name in order {
            parameters.builder().pp("block").get_with_hints((4, 5), name, UNIFORM)?;
        }
        Ok(parameters)
    };
    let (forth, back) = (asked(1, &["a", "b", "c"])?, asked(1, &["c", "b", "a"])?);
    assert_eq!(forth.sha256()?, back.sha256()?);
    assert_ne!(forth.sha256()?, asked(2, &["a", "b", "c"])?.sha256()?);
    assert_ne!(values(&forth, "block.a"), values(&forth, "block.b"));
    Ok(())
}

#[test]
fn a_backbone_starts_the_same_whatever_head_it_carries() {
    let (small, large) = (network(3, 2), network(3, 10));
    assert_eq!(values(&small, "0.weight"), values(&large, "0.weight"));
    assert_ne!(values(&small, "head.weight").len(), values(&large, "head.weight").len());
}

#[test]
fn the_weights_of_a_seed_stay_what_they_are() {
    // −1 + 2 · ⌊word / 2⁸⌋ / 2²⁴ for the first three words of ChaCha8 under the key SHA-256(seed, step, name). If this
    // changes, so does every result.
    let parameters = Parameters::seeded(0, &CPU);
    parameters.builder().get_with_hints(3, "weight", UNIFORM).unwrap();
    assert_eq!(values(&parameters, "weight"), [0.014_890_79, 0.942_221_16, -0.537_770_4]);
}

#[test]
fn convolutions_and_linear_layers_start_within_pytorchs_bounds_and_fill_them() {
    let parameters = Parameters::seeded(0, &CPU);
    let stack = Stack::new(&[8, 4, 6], parameters.builder()).conv(64, 3).batch_norm().flatten();
    stack.name("head").linear(64).build().unwrap();
    for (layer, fan_in) in [("0", 72.), ("head", 512.)] {
        for (name, share) in [("weight", 0.95), ("bias", 0.8)] {
            let bound = 1. / f32::sqrt(fan_in);
            let largest = values(&parameters, &format!("{layer}.{name}")).iter().fold(0f32, |m, v| m.max(v.abs()));
            assert!(largest <= bound && largest > share * bound, "{layer}.{name}: {largest} of {bound}");
        }
    }
    assert_eq!(values(&parameters, "1.running_var"), [1.; 64]);
}

#[test]
fn a_name_asked_twice_is_the_same_parameter_and_keeps_its_shape() -> Result<()> {
    let parameters = Parameters::seeded(0, &CPU);
    let first = parameters.builder().get_with_hints(2, "shared", UNIFORM)?;
    let second = parameters.builder().get_with_hints(2, "shared", Init::Const(0.))?;
    assert_eq!(first.id(), second.id());
    assert_eq!(parameters.builder().get_unchecked("shared")?.id(), first.id());
    let error = parameters.builder().get(3, "shared").unwrap_err().to_string();
    assert!(error.contains("parameter shared has the shape [2], not [3]"), "{error}");
    assert!(parameters.builder().get_unchecked("other").is_err());
    Ok(())
}

#[test]
fn a_copy_in_another_type_is_refused_because_it_would_not_be_trained() {
    let parameters = Parameters::seeded(0, &CPU);
    let error = parameters.builder().to_dtype(DType::F16).get(3, "weight").unwrap_err();
    assert!(error.to_string().contains("parameter weight is f32"), "{error}");
    assert!(parameters.all().is_empty());
}

#[test]
fn a_model_too_large_for_any_memory_is_refused_before_anything_is_allocated() {
    for shape in [[1 << 20, 1 << 20], [usize::MAX, usize::MAX]] {
        let parameters = Parameters::seeded(0, &CPU);
        let error = parameters.builder().get_with_hints((shape[0], shape[1]), "weight", UNIFORM).unwrap_err();
        assert!(error.to_string().contains("parameter weight"), "{error}");
        assert!(parameters.all().is_empty());
    }
}

#[test]
fn running_statistics_are_kept_but_not_trainable() {
    let parameters = network(0, 2);
    let trainable = ["0.bias", "0.weight", "1.bias", "1.weight", "head.bias", "head.weight"];
    assert_eq!(names(parameters.trainable()), trainable);
    assert_eq!(parameters.all().len(), trainable.len() + 2);
}

#[test]
fn saved_weights_come_back_to_the_bit() -> Result<()> {
    let folder = TempDir::new()?;
    let path = folder.path().join("weights.safetensors");
    let (trained, fresh) = (network(1, 2), network(2, 2));
    trained.save(&path)?;
    assert_ne!(trained.sha256()?, fresh.sha256()?);
    fresh.load(&path)?;
    assert_eq!(trained.sha256()?, fresh.sha256()?);
    fresh.save(&folder.path().join("again"))?;
    assert_eq!(std::fs::read(path)?, std::fs::read(folder.path().join("again"))?);
    Ok(())
}

#[test]
fn loading_changes_a_model_that_has_been_built() -> Result<()> {
    let folder = TempDir::new()?;
    let path = folder.path().join("weights.safetensors");
    let parameters = Parameters::seeded(0, &CPU);
    let model = Stack::new(&[2], parameters.builder()).linear(1).build()?;
    let tensors = [("0.weight", Tensor::new(&[[2f32, 3.]], &CPU)?), ("0.bias", Tensor::new(&[1f32], &CPU)?)];
    candle_core::safetensors::save(&HashMap::from(tensors), &path)?;
    parameters.load(&path)?;
    let ys = model.forward(&Tensor::new(&[[10f32, 100.]], &CPU)?, Mode::Inference)?;
    assert_eq!(ys.to_vec2::<f32>()?, [[321.]]);
    Ok(())
}

#[test]
fn pytorchs_counter_of_batches_is_ignored() -> Result<()> {
    let folder = TempDir::new()?;
    let path = folder.path().join("weights.safetensors");
    let parameters = network(0, 2);
    let mut tensors: HashMap<_, _> = parameters.all().into_iter().map(|(n, v)| (n, v.as_tensor().clone())).collect();
    tensors.insert("1.num_batches_tracked".into(), Tensor::new(7i64, &CPU)?);
    candle_core::safetensors::save(&tensors, &path)?;
    network(1, 2).load(&path)
}

#[test]
fn foreign_weights_are_refused_by_name_and_nothing_is_changed() -> Result<()> {
    let folder = TempDir::new()?;
    let path = folder.path().join("weights.safetensors");
    let parameters = network(0, 2);
    let before = parameters.sha256()?;
    let mut tensors: HashMap<_, _> = network(1, 3).all().into_iter().map(|(n, v)| (n, v.as_tensor().clone())).collect();
    let bias = tensors.remove("0.bias").unwrap();
    tensors.insert("stem.bias".into(), bias);
    candle_core::safetensors::save(&tensors, &path)?;
    let error = parameters.load(&path).unwrap_err().to_string();
    for part in [
        "0.bias is missing",
        "head.weight has the shape [3, 48], not [2, 48]",
        "stem.bias is not in the model",
        "weights.safetensors",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert_eq!(parameters.sha256()?, before);
    Ok(())
}

#[test]
fn a_type_that_cannot_become_f32_is_refused_by_name_and_nothing_is_changed() -> Result<()> {
    let folder = TempDir::new()?;
    let path = folder.path().join("weights.safetensors");
    let parameters = Parameters::seeded(0, &CPU);
    for name in ["a", "b"] {
        parameters.builder().get_with_hints(1, name, UNIFORM)?;
    }
    let before = parameters.sha256()?;
    // Written by hand, since candle reads this type but does not write it.
    let header = r#"{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        "b": {"dtype": "F8_E8M0", "shape": [1], "data_offsets": [4, 5]}}"#;
    std::fs::write(&path, [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 5]].concat())?;
    let error = parameters.load(&path).unwrap_err().to_string();
    assert!(error.contains("b is F8E8M0, which does not convert to f32"), "{error}");
    assert_eq!(parameters.sha256()?, before);
    Ok(())
}

#[test]
fn a_file_that_is_missing_or_broken_is_an_error_that_names_it() -> Result<()> {
    let folder = TempDir::new()?;
    let path = folder.path().join("weights.safetensors");
    let parameters = network(0, 2);
    let load = |path: &Path| parameters.load(path).unwrap_err().to_string();
    assert!(load(&path).contains("weights.safetensors"));
    for bytes in [&b""[..], b"not a safetensors file", &[255; 64]] {
        std::fs::write(&path, bytes)?;
        assert!(load(&path).contains("weights.safetensors"));
    }
    parameters.save(&path)?;
    let whole = std::fs::read(&path)?;
    std::fs::write(&path, &whole[..whole.len() - 1])?;
    assert!(load(&path).contains("weights.safetensors"));
    let nowhere = parameters.save(&folder.path().join("no-such-folder/w")).unwrap_err().to_string();
    assert!(nowhere.contains("no-such-folder"), "{nowhere}");
    Ok(())
}

#[test]
fn the_fingerprint_sees_names_shapes_and_values() -> Result<()> {
    let of = |name: &str, shape: &[usize], value| -> Result<String> {
        let parameters = Parameters::seeded(0, &CPU);
        parameters.builder().get_with_hints(shape, name, Init::Const(value))?;
        parameters.sha256()
    };
    let fingerprint = of("a", &[2, 3], 1.)?;
    assert_eq!(fingerprint.len(), 64);
    assert_eq!(fingerprint, of("a", &[2, 3], 1.)?);
    for other in [of("b", &[2, 3], 1.)?, of("a", &[3, 2], 1.)?, of("a", &[2, 3], 1.0000001)?] {
        assert_ne!(fingerprint, other);
    }
    Ok(())
}

/// The network of the files that `fixtures/make_pth.py` writes.
fn of_fixtures() -> Parameters {
    network(9, 2)
}

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

#[test]
fn files_of_pytorch_are_read_whole_wrapped_and_with_tensors_that_are_views() -> Result<()> {
    for file in ["state_dict.pth", "checkpoint.pt", "views.pth"] {
        let parameters = of_fixtures();
        parameters.load(&fixture(file))?;
        // `num_batches_tracked` of the batch normalisation is the third of PyTorch's names, and not loaded.
        for (number, name) in [
            "0.bias",
            "0.weight",
            "1.bias",
            "",
            "1.running_mean",
            "1.running_var",
            "1.weight",
            "head.bias",
            "head.weight",
        ]
        .into_iter()
        .enumerate()
        .filter(|(_, name)| !name.is_empty())
        {
            let expected: Vec<f32> =
                (0..values(&parameters, name).len()).map(|i| i as f32 / 64. + number as f32).collect();
            assert_eq!(values(&parameters, name), expected, "{name} of {file}");
        }
    }
    Ok(())
}

#[test]
fn files_of_pytorch_that_do_not_fit_are_refused_with_a_hint() {
    let error = |file: &str| of_fixtures().load(&fixture(file)).unwrap_err().to_string();
    let wrapped = error("data_parallel.pth");
    assert!(
        wrapped.contains("0.weight is missing") && wrapped.contains("module.0.weight is not in the model"),
        "{wrapped}"
    );
    assert!(wrapped.contains("without the `module.` at the start of their names, 8 of the 8"), "{wrapped}");
    assert!(error("legacy.pth").contains("before version 1.6"));
    assert!(error("no_tensors.pth").contains("no tensors"));
}

#[test]
fn weights_that_match_are_loaded_and_the_others_are_named() -> Result<()> {
    let (folder, ten) = (TempDir::new()?, network(1, 10));
    let path = folder.path().join("ten.safetensors");
    ten.save(&path)?;
    let three = network(2, 3);
    let head = values(&three, "head.weight");
    let matching = three.load_matching(&path)?;
    assert_eq!(matching.loaded, ["0.bias", "0.weight", "1.bias", "1.running_mean", "1.running_var", "1.weight"]);
    assert_eq!(
        matching.skipped,
        ["head.bias has the shape [10], not [3]", "head.weight has the shape [10, 48], not [3, 48]"]
    );
    assert_eq!(values(&three, "0.weight"), values(&ten, "0.weight"));
    assert_eq!(values(&three, "head.weight"), head);

    let other = Parameters::seeded(0, &CPU);
    other.builder().pp("elsewhere").get(3, "bias")?;
    let error = other.load_matching(&path).unwrap_err().to_string();
    assert!(error.contains("none of the weights fits"), "{error}");
    Ok(())
}

#[test]
fn frozen_parameters_are_not_trainable_and_get_no_gradient() -> Result<()> {
    let parameters = Parameters::seeded(0, &CPU);
    parameters.freeze("0");
    let stack = Stack::new(&[1, 6, 6], parameters.builder()).conv(3, 3).batch_norm().relu().flatten();
    let net = stack.name("head").linear(2).build()?;
    assert_eq!(names(parameters.trainable()), ["1.bias", "1.weight", "head.bias", "head.weight"]);
    let loss = net.forward(&Tensor::ones((2, 1, 6, 6), DType::F32, &CPU)?, Mode::Eval)?.sum_all()?;
    let gradients = loss.backward()?;
    for (name, variable) in parameters.all().into_iter().filter(|(name, _)| !name.contains("running")) {
        assert_eq!(gradients.get(&variable).is_none(), name.starts_with("0."), "{name}");
    }
    Ok(())
}
