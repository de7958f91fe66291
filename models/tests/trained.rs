//! Trained networks in files, and training that starts from them.

mod common;

use std::{collections::BTreeMap, fs, path::Path};

use candle_core::{Device, Result, Tensor};
use common::images;
use datasets::Standardization;
use layers::{Layer, Mode};
use models::{NetworkInfo, Trained};
use training::{FitConfig, Length, Loss, Parameters, fit};

fn info(model: &str, head: &str) -> NetworkInfo {
    let model: models::ModelName = model.parse().unwrap();
    NetworkInfo {
        input: model.architecture().default_input,
        model,
        head: head.parse().unwrap(),
        classes: ["ant", "bee", "cow"].map(String::from).to_vec(),
        standardization: Standardization { mean: vec![0.5, 0.4, 0.3], std: vec![0.2, 0.3, 0.4] },
        dataset: Some("animals".into()),
        training: None,
    }
}

fn trained(model: &str, head: &str) -> Trained {
    Trained::new(info(model, head), Parameters::seeded(3, &Device::Cpu)).unwrap()
}

fn save(trained: &Trained, folder: &Path) -> std::path::PathBuf {
    let path = folder.join("network.safetensors");
    trained.save(&path).unwrap();
    path
}

/// Pixels from 0 to 1.
fn pixels(count: usize, input: [usize; 3]) -> Result<Tensor> {
    candle_nn::ops::sigmoid(&images(count, input)?)
}

#[test]
fn a_network_from_a_file_predicts_what_the_saved_one_predicted() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (model, head) in [("resnet8@0.5", "gap-fc"), ("vgg-small@0.25", "fc:8"), ("nin@0.25", "gmp")] {
        let network = trained(model, head);
        let path = save(&network, folder.path());
        let loaded = models::load(&path)?;
        assert_eq!(loaded.info, network.info);
        let images = pixels(4, network.info.input)?;
        assert_eq!(loaded.predict(&images)?, network.predict(&images)?);
        let bytes = fs::read(&path)?;
        loaded.save(&path)?;
        assert_eq!(fs::read(&path)?, bytes, "equal networks give equal files");
    }
    Ok(())
}

#[test]
fn a_prediction_has_the_probabilities_of_the_logits_in_falling_order() -> Result<()> {
    let network = trained("resnet8@0.5", "gap-fc");
    let images = pixels(5, network.info.input)?;
    let standardized = network.standardize(&images)?;
    let expected = candle_nn::ops::softmax(&network.network.forward(&standardized, Mode::Inference)?, 1)?;
    for (prediction, expected) in network.predict(&images)?.iter().zip(expected.to_vec2::<f32>()?) {
        assert!(prediction.classes.is_sorted_by(|a, b| a.probability >= b.probability));
        for class in &prediction.classes {
            assert_eq!(class.class, network.info.classes[class.index]);
            assert!((class.probability - expected[class.index]).abs() < 1e-6);
        }
    }
    let channel = images.narrow(1, 2, 1)?.mean_all()?.to_scalar::<f32>()?;
    let standardized = standardized.narrow(1, 2, 1)?.mean_all()?.to_scalar::<f32>()?;
    assert!((standardized - (channel - 0.3) / 0.4).abs() < 1e-5);
    Ok(())
}

#[test]
fn evidence_has_the_size_of_the_image_and_its_classes_balance_at_each_pixel() -> Result<()> {
    for (head, size) in [("gap-fc", 40), ("gmp", 40), ("fc", 32)] {
        let network = trained("resnet8@0.5", head);
        let image = pixels(1, [3, size, size])?.squeeze(0)?;
        let evidence = network.evidence(&image)?;
        assert_eq!(evidence.dims(), [3, size, size]);
        let (sum, most) = (evidence.sum(0)?.abs()?.max_all()?, evidence.abs()?.max_all()?.to_scalar::<f32>()?);
        assert!(most > 0. && sum.to_scalar::<f32>()? < 1e-5 * most, "{head}");
    }
    let error = trained("resnet8@0.5", "fc").evidence(&pixels(1, [3, 40, 40])?.squeeze(0)?).unwrap_err();
    assert!(error.to_string().contains("32"), "{error}");
    Ok(())
}

#[test]
fn files_that_hold_no_trained_network_are_refused_by_name() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("network.safetensors");
    let message = |path: &Path| match models::load(path) {
        Ok(_) => panic!("loaded"),
        Err(error) => error.to_string(),
    };
    assert!(message(&path).contains("network.safetensors"));
    fs::write(&path, "text")?;
    assert!(message(&path).contains("not a complete safetensors file"));
    let network = trained("resnet8@0.5", "gap-fc");
    network.parameters.save(&path)?;
    assert!(message(&path).contains("does not say which network"));

    let of_other = |change: fn(&mut NetworkInfo)| {
        let mut info = network.info.clone();
        change(&mut info);
        info.save(&network.parameters, &path).unwrap();
        message(&path)
    };
    assert!(of_other(|info| info.classes.truncate(2)).contains("fc.weight has the shape [3, 32], not [2, 32]"));
    assert!(of_other(|info| info.model = "resnet20@0.5".parse().unwrap()).contains("is missing"));
    assert!(of_other(|info| info.standardization.std[1] = 0.).contains("standardised"));
    assert!(of_other(|info| info.standardization.mean.truncate(1)).contains("3 channels"));
    assert!(of_other(|info| info.input = [3, 0, usize::MAX]).contains("impossible"));
    assert!(of_other(|info| info.classes.clear()).contains("impossible"));
    let cut = fs::read(save(&network, folder.path()))?;
    fs::write(&path, &cut[..cut.len() - 4])?;
    assert!(message(&path).contains("not a complete safetensors file"));
    Ok(())
}

/// Trains for a few steps and returns the parameters before and after.
fn fine_tuned(mut network: Trained, freeze: bool) -> Result<[BTreeMap<String, Vec<f32>>; 2]> {
    if freeze {
        network.network.freeze_backbone();
    }
    let values = || -> Result<BTreeMap<String, Vec<f32>>> {
        let all = network.parameters.all().into_iter();
        all.map(|(name, value)| Ok((name, value.flatten_all()?.to_vec1()?))).collect()
    };
    let before = values()?;
    let images = images(6, network.info.input)?;
    let labels = Tensor::new(&[0u32, 1, 2, 0, 1, 2], &Device::Cpu)?;
    let batches = |_| vec![Ok((images.clone(), labels.clone()))].into_iter();
    let config = FitConfig::new(Length::Epochs(2), 0.01);
    fit(&network.network, &network.parameters, batches, &Loss::default(), &config, |_| Ok(()))?;
    Ok([before, values()?])
}

#[test]
fn a_frozen_backbone_keeps_its_weights_and_running_statistics_while_the_head_learns() -> Result<()> {
    for freeze in [true, false] {
        let [before, after] = fine_tuned(trained("resnet8@0.5", "gap-fc"), freeze)?;
        for (name, values) in &before {
            let stays = freeze && !name.starts_with("fc.");
            assert_eq!(after[name] == *values, stays, "{name}, frozen: {freeze}");
        }
    }
    Ok(())
}

#[test]
fn a_trained_network_gets_a_head_for_other_classes_learns_them_and_is_saved() -> Result<()> {
    let mut network = trained("resnet8@0.5", "gap-fc");
    let before = network.parameters.sha256()?;
    network.reset_classifier(&"fc:32".parse().unwrap(), &["dog", "elk"], 1)?;
    network.network.freeze_backbone();
    assert_ne!(network.parameters.sha256()?, before);
    let images = images(4, network.info.input)?;
    let labels = Tensor::new(&[0u32, 1, 1, 0], &Device::Cpu)?;
    let batches = |_| vec![Ok((images.clone(), labels.clone()))].into_iter();
    let config = FitConfig::new(Length::Epochs(60), 0.01);
    let loss = Loss::default();
    let outcome = fit(&network.network, &network.parameters, batches, &loss, &config, |_| Ok(()))?;
    assert!(outcome.epochs[59].train_loss < 0.5 * outcome.epochs[0].train_loss);
    let folder = tempfile::tempdir()?;
    let loaded = models::load(save(&network, folder.path()))?;
    let pixels = pixels(3, loaded.info.input)?;
    assert_eq!(loaded.predict(&pixels)?, network.predict(&pixels)?);
    assert_eq!(loaded.predict(&pixels)?[0].classes.len(), 2);
    Ok(())
}

#[test]
fn the_parts_of_a_network_are_named_as_in_its_description_and_end_with_the_logits() -> Result<()> {
    for model in ["two-conv", "resnet20@0.5", "mobilenet-v1@0.25", "vgg-small@0.25"] {
        let (network, config, _) = common::build(model, |config| config);
        let images = images(2, config.input)?;
        let features = network.named_features(&images, Mode::Inference)?;
        let (last, logits) = features.last().unwrap();
        assert_eq!(last, network.backbone.naming.head);
        common::assert_close(model, logits, &network.forward(&images, Mode::Inference)?)?;
        let description = network.describe(&config.input)?;
        let outputs: BTreeMap<_, _> = description.children.iter().map(|part| (&part.path, &part.output)).collect();
        for (path, output) in outputs {
            let (_, features) = features.iter().find(|(name, _)| name == path).unwrap();
            assert_eq!(features.dims()[1..], **output, "{path} of {model}");
        }
    }
    Ok(())
}
