//! A prepared network gives the logits of the network itself.

mod common;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::VarMap;
use common::{assert_close, images};
use layers::{Layer, Mode};
use models::{Classifier, ModelConfig};

const HEADS: [&str; 14] = [
    "fc",
    "fc:32,16",
    "fc+drop0.5",
    "fc:32+drop0.5",
    "gap",
    "gmp",
    "gap-fc",
    "gmp-fc",
    "avgmax-fc",
    "catavgmax-fc",
    "gem-fc",
    "lse-fc",
    "spp-fc",
    "attn-fc",
];

/// Builds a model with running statistics that batch normalisation in inference depends on.
fn build(model: &str, change: impl FnOnce(ModelConfig) -> ModelConfig) -> Result<(Classifier, ModelConfig, VarMap)> {
    let (net, config, variables) = common::build(model, change);
    // With its initial statistics, batch normalisation in inference would change nothing.
    for (name, variable) in variables.data().lock().unwrap().iter() {
        if name.ends_with("running_mean") {
            variable.set(&Tensor::randn(0f32, 0.3, variable.shape(), &Device::Cpu)?)?;
        } else if name.ends_with("running_var") || name.contains("bn") && name.ends_with("weight") {
            variable.set(&Tensor::rand(0.5f32, 2., variable.shape(), &Device::Cpu)?)?;
        }
    }
    Ok((net, config, variables))
}

/// Compares batches of growing, shrinking and repeated sizes, as tensors and as slices.
fn assert_prepared_agrees(what: &str, net: &Classifier, input: [usize; 3]) -> Result<()> {
    let mut prepared = net.prepare(&input)?;
    for batch in [1, 2, 5, 1, 12, 5] {
        let images = images(batch, input)?;
        let expected = net.forward(&images, Mode::Inference)?;
        assert_close(&format!("{what}, batch {batch}"), &prepared.forward(&images)?, &expected)?;
        let of_slice = prepared.logits(batch, &images.flatten_all()?.to_vec1()?)?;
        let of_slice = Tensor::from_slice(of_slice, expected.shape(), &Device::Cpu)?;
        assert_close(&format!("{what}, batch {batch}, as a slice"), &of_slice, &expected)?;
    }
    Ok(())
}

#[test]
fn every_model_gives_the_same_logits_when_prepared() -> Result<()> {
    for architecture in models::list() {
        // The full width of these would take long.
        let name = match architecture.name {
            name @ ("nin" | "all-cnn-c" | "mobilenet-v1") => format!("{name}@0.25"),
            name => name.to_string(),
        };
        let (net, config, _) = build(&name, |config| config)?;
        assert_prepared_agrees(&name, &net, config.input)?;
    }
    Ok(())
}

#[test]
fn every_head_gives_the_same_logits_when_prepared() -> Result<()> {
    for head in HEADS {
        let (net, config, _) = build("two-conv", |config| ModelConfig { head: head.parse().unwrap(), ..config })?;
        assert_prepared_agrees(head, &net, config.input)?;
    }
    let direct = |config| ModelConfig { head: "gmp:direct".parse().unwrap(), classes: 64, ..config };
    let (net, config, _) = build("two-conv", direct)?;
    assert_prepared_agrees("gmp:direct", &net, config.input)
}

#[test]
fn a_network_is_prepared_for_any_size_its_head_takes() -> Result<()> {
    let (net, _, _) = build("resnet8", |config| config)?;
    assert_prepared_agrees("resnet8", &net, [3, 37, 50])?;
    let (net, _, _) = build("two-conv", |config| config)?;
    let error = net.prepare(&[1, 32, 32]).err().unwrap().to_string();
    assert!(error.contains("tied to features"), "{error}");
    Ok(())
}

#[test]
fn what_is_trained_afterwards_does_not_change_a_prepared_network() -> Result<()> {
    let (net, config, variables) = build("vgg-small", |config| config)?;
    let images = images(2, config.input)?;
    let mut prepared = net.prepare(&config.input)?;
    let before = prepared.forward(&images)?;
    let half = |variable: &Var| variable.set(&variable.affine(0.5, 0.1)?);
    variables.all_vars().iter().try_for_each(half)?;
    assert_close("prepared before", &prepared.forward(&images)?, &before)?;
    assert_close(
        "prepared after",
        &net.prepare(&config.input)?.forward(&images)?,
        &net.forward(&images, Mode::Inference)?,
    )
}

/// The number of threads determines into which pieces a batch or a single image is cut, but not what is computed.
#[test]
fn a_prepared_network_gives_the_same_bits_on_any_number_of_threads() -> Result<()> {
    let cases =
        [("two-conv", 37), ("resnet8", 37), ("mobilenet-v1@0.25", 37), ("mobilenet-v1@0.25", 1), ("vgg-small", 1)];
    for (model, batch) in cases {
        let (net, config, _) = build(model, |config| config)?;
        let images = images(batch, config.input)?;
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| net.prepare(&config.input)?.forward(&images)?.to_vec2::<f32>())
        };
        let one = on(1)?;
        for threads in [2, 5] {
            assert_eq!(on(threads)?, one, "{model}, {batch} images on {threads} threads");
        }
    }
    Ok(())
}

#[test]
fn images_of_another_size_are_an_error() -> Result<()> {
    let (net, config, _) = build("two-conv", |config| config)?;
    let mut prepared = net.prepare(&config.input)?;
    let error = prepared.forward(&images(1, [1, 27, 28])?).unwrap_err().to_string();
    assert!(error.contains("[1, 28, 28]") && error.contains("[1, 1, 27, 28]"), "{error}");
    let error = prepared.logits(2, &[0.; 784]).unwrap_err().to_string();
    assert!(error.contains("1568") && error.contains("784"), "{error}");
    assert!(prepared.forward(&images(1, config.input)?.to_dtype(DType::F64)?).is_err());
    Ok(())
}
