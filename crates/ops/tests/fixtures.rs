//! Compares results and gradients of every operator with PyTorch's, for the kernels (f32) and the compositions (f64).

mod common;

use candle_core::{DType, Device, Result, Tensor};
use common::{close, evaluate};
use ops::{BatchStatistics, Conv1dConfig, Window};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;

/// One entry of `fixtures/FAMILY.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    op: String,
    /// The names of the inputs, all of which have gradients, in order.
    inputs: Vec<String>,
    #[serde(default)]
    kernel: [usize; 2],
    #[serde(default)]
    stride: [usize; 2],
    #[serde(default)]
    padding: [usize; 2],
    #[serde(default)]
    output: [usize; 2],
    #[serde(default)]
    relu: bool,
    #[serde(skip)]
    tensors: HashMap<String, Tensor>,
}

impl Case {
    fn window(&self) -> Window {
        Window::new(self.kernel, self.stride, self.padding)
    }

    fn statistics(&self) -> BatchStatistics {
        BatchStatistics { mean: self.tensors["mean"].clone(), var: self.tensors["var"].clone() }
    }
}

/// Reads the cases of a family, with floating-point tensors of the given type.
fn cases(family: &str, dtype: DType) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let json = std::fs::read(folder.join(format!("{family}.json"))).unwrap();
    let mut cases: Vec<Case> = serde_json::from_slice(&json).unwrap();
    let path = folder.join(format!("{family}.safetensors"));
    for (key, tensor) in candle_core::safetensors::load(path, &Device::Cpu).unwrap() {
        let (number, name) = key.split_once('/').unwrap();
        let dtype = if tensor.dtype() == DType::U32 { DType::U32 } else { dtype };
        let tensors = &mut cases[number.parse::<usize>().unwrap()].tensors;
        tensors.insert(name.to_string(), tensor.to_dtype(dtype).unwrap());
    }
    cases
}

fn check(case: &Case, tolerance: f64, run: impl Fn(&Case, &[Tensor]) -> Result<Tensor>) -> Result<()> {
    let inputs: Vec<Tensor> = case.inputs.iter().map(|name| case.tensors[name].clone()).collect();
    let Some(dy) = case.tensors.get("dy") else {
        return close("y", &run(case, &inputs)?, &case.tensors["y"], tolerance);
    };
    let (y, gradients) = evaluate(&inputs, |_| Ok(dy.clone()), |inputs| run(case, inputs))?;
    close("y", &y, &case.tensors["y"], tolerance)?;
    for (name, gradient) in case.inputs.iter().zip(gradients) {
        let name = format!("d{name}");
        close(&name, &gradient, &case.tensors[&name], tolerance)?;
    }
    Ok(())
}

/// Runs every case of a family on the kernels and on the compositions, and names all that fail.
fn agree(family: &str, run: impl Fn(&Case, &[Tensor]) -> Result<Tensor>) {
    let mut failures = Vec::new();
    for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F64, 1e-6)] {
        for case in cases(family, dtype) {
            if let Err(error) = check(&case, tolerance, &run) {
                failures.push(format!("{} in {dtype:?}: {error}", case.name));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn convolutions_agree_with_pytorch() {
    agree("conv", |case, t| match (case.op.as_str(), case.relu) {
        ("conv1d", _) => {
            let config = Conv1dConfig::default().stride(case.stride[1]).padding(case.padding[1]);
            ops::conv1d(&t[0], &t[1], t.get(2), &config)
        }
        ("conv2d", false) => ops::conv2d(&t[0], &t[1], t.get(2), &case.window().into()),
        ("conv2d", true) => ops::conv2d_relu(&t[0], &t[1], t.get(2), &case.window().into()),
        _ => unreachable!("no operator {}", case.op),
    });
}

#[test]
fn depthwise_convolutions_agree_with_pytorch() {
    agree("depthwise", |case, t| ops::depthwise_conv2d(&t[0], &t[1], t.get(2), &case.window()));
}

#[test]
fn local_and_adaptive_pooling_agree_with_pytorch() {
    agree("pool", |case, t| {
        let [kernel, stride, padding] = [case.kernel[1], case.stride[1], case.padding[1]];
        match case.op.as_str() {
            "max_pool2d" => ops::max_pool2d(&t[0], &case.window()),
            "avg_pool2d" => ops::avg_pool2d(&t[0], &case.window()),
            "max_pool1d" => ops::max_pool1d(&t[0], kernel, stride, padding),
            "avg_pool1d" => ops::avg_pool1d(&t[0], kernel, stride, padding),
            "adaptive_max_pool2d" => ops::adaptive_max_pool2d(&t[0], case.output),
            op => unreachable!("no operator {op}"),
        }
    });
}

#[test]
fn global_pooling_agrees_with_pytorch() {
    agree("global", |case, t| match case.op.as_str() {
        "global_avg_pool" => ops::global_avg_pool(&t[0]),
        "global_max_pool" => ops::global_max_pool(&t[0]),
        "gem_pool" => ops::gem_pool(&t[0], &t[1]),
        "lse_pool" => ops::lse_pool(&t[0], &t[1]),
        op => unreachable!("no operator {op}"),
    });
}

#[test]
fn batch_normalisation_agrees_with_pytorch() {
    agree("norm", |case, t| match case.op.as_str() {
        "batch_norm" => ops::batch_norm(&t[0], &t[1], &t[2], &case.statistics(), 1e-5, case.relu),
        "batch_norm_train" => {
            let (y, statistics) = ops::batch_norm_train(&t[0], &t[1], &t[2], 1e-5, case.relu)?;
            close("mean", &statistics.mean, &case.tensors["mean"], 1e-6)?;
            close("unbiased variance", &statistics.var, &case.tensors["var"], 1e-6)?;
            Ok(y)
        }
        op => unreachable!("no operator {op}"),
    });
}

#[test]
fn relu_linear_and_softmax_agree_with_pytorch() {
    agree("dense", |case, t| match case.op.as_str() {
        "relu" => ops::relu(&t[0]),
        "linear" => ops::linear(&t[0], &t[1], t.get(2)),
        "linear_relu" => ops::linear_relu(&t[0], &t[1], t.get(2)),
        "softmax" => ops::softmax(&t[0]),
        op => unreachable!("no operator {op}"),
    });
}

#[test]
fn losses_agree_with_pytorch() {
    agree("loss", |case, t| match case.op.as_str() {
        "cross_entropy" => ops::cross_entropy(&t[0], &case.tensors["targets"]),
        "bce_with_logits" => ops::bce_with_logits(&t[0], &case.tensors["targets"]),
        op => unreachable!("no operator {op}"),
    });
}
