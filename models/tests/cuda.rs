//! On a GPU, networks compute what they compute on the CPU: `cargo test -p models --features cuda --test cuda`.
#![cfg(feature = "cuda")]

mod common;

use candle_core::{DType, Device, Result, Tensor, backprop::GradStore};
use candle_nn::{VarBuilder, VarMap};
use common::images;
use layers::{Layer, Mode};
use models::{Classifier, ModelConfig, ModelName};

const TRAIN: Mode = Mode::Train { seed: 7, step: 1 };

/// Builds a network on a device.
fn build(name: &ModelName, config: &ModelConfig, device: &Device) -> Result<(Classifier, VarMap)> {
    let variables = VarMap::new();
    let net = name.build(config, VarBuilder::from_varmap(&variables, DType::F32, device))?;
    Ok((net, variables))
}

fn norm(tensor: &Tensor) -> Result<f32> {
    Ok(tensor.sqr()?.sum_all()?.to_scalar::<f32>()?.sqrt())
}

/// Returns the norm of the difference, relative to the norm of what the CPU computed or to `least`.
fn difference(of_gpu: &Tensor, of_cpu: &Tensor, least: f32) -> Result<f32> {
    Ok(norm(&(of_gpu.to_device(&Device::Cpu)? - of_cpu)?)? / norm(of_cpu)?.max(least))
}

/// The loss whose gradients are compared: each logit has a weight of its own.
fn backward(logits: &Tensor) -> Result<GradStore> {
    let weights = Tensor::arange(1f32, 1. + logits.elem_count() as f32, logits.device())?.reshape(logits.shape())?;
    ops::backward(&(logits.tanh()? * weights)?.sum_all()?)
}

/// Compares logits in inference and in training, and the gradients of all variables.
fn assert_devices_agree(model: &str, change: impl FnOnce(ModelConfig) -> ModelConfig) -> Result<()> {
    let name: ModelName = model.parse().unwrap();
    let config = change(name.config().unwrap());
    let what = format!("{model} {}", config.head);
    let gpu = Device::new_cuda(0)?;
    let ((of_cpu, cpu_variables), (of_gpu, gpu_variables)) =
        (build(&name, &config, &Device::Cpu)?, build(&name, &config, &gpu)?);
    let (cpu_variables, gpu_variables) = (cpu_variables.data().lock().unwrap(), gpu_variables.data().lock().unwrap());
    assert_eq!(cpu_variables.len(), gpu_variables.len(), "{what}");
    for (name, variable) in cpu_variables.iter() {
        gpu_variables[name].set(&variable.to_device(&gpu)?)?;
    }
    let images = images(8, config.input)?;
    let gpu_images = images.to_device(&gpu)?;
    for mode in [Mode::Inference, TRAIN] {
        let (expected, logits) = (of_cpu.forward(&images, mode)?, of_gpu.forward(&gpu_images, mode)?);
        let difference = difference(&logits, &expected, 1e-3)?;
        assert!(difference < 1e-4, "{what}, {mode:?}: logits differ by {difference}");
        if mode == TRAIN {
            let (expected, gradients) = (backward(&expected)?, backward(&logits)?);
            // Some gradients are 0 but for rounding: those of a bias in front of batch normalisation, for example.
            let norms = cpu_variables.values().filter_map(|variable| expected.get(variable)).map(norm);
            let least = 1e-3 * norms.collect::<Result<Vec<_>>>()?.into_iter().fold(0., f32::max);
            for (name, variable) in cpu_variables.iter() {
                let Some(expected) = expected.get(variable) else { continue };
                let gradient = gradients.get(&gpu_variables[name]).unwrap_or_else(|| panic!("{what}: {name} has none"));
                // Where two values are almost equal, a maximum may take the other one after other roundings.
                let difference = self::difference(gradient, expected, least)?;
                assert!(difference < 1e-2, "{what}: gradients of {name} differ by {difference}");
            }
        }
    }
    println!("{what}: agrees");
    Ok(())
}

#[test]
fn every_model_computes_the_same_on_a_gpu() -> Result<()> {
    for architecture in models::list() {
        let name = match architecture.name {
            name @ ("nin" | "all-cnn-c" | "mobilenet-v1") => format!("{name}@0.25"),
            name => name.to_string(),
        };
        assert_devices_agree(&name, |config| config)?;
    }
    Ok(())
}

#[test]
fn every_head_computes_the_same_on_a_gpu() -> Result<()> {
    for (head, _) in heads::HeadConfig::examples() {
        for model in ["two-conv", "vgg-small@0.5"] {
            assert_devices_agree(model, |config| ModelConfig { head: head.clone(), ..config })?;
        }
    }
    Ok(())
}
