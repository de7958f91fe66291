//! Networks for tests.
#![allow(dead_code)] // Each test file uses some of the functions.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{VarBuilder, VarMap};
use models::{Classifier, ModelConfig, ModelName};

/// Returns the builder of new parameters that nothing else refers to.
pub fn vb() -> VarBuilder<'static> {
    VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu)
}

/// Builds a model, with its default options after `change`.
pub fn build(model: &str, change: impl FnOnce(ModelConfig) -> ModelConfig) -> (Classifier, ModelConfig, VarMap) {
    let variables = VarMap::new();
    let name: ModelName = model.parse().unwrap();
    let config = change(name.config().unwrap());
    let net = name.build(&config, VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu)).unwrap();
    (net, config, variables)
}

pub fn images(batch: usize, [channels, height, width]: [usize; 3]) -> Result<Tensor> {
    Tensor::randn(0f32, 1., (batch, channels, height, width), &Device::Cpu)
}

/// Checks that no logit differs by more than rounding does, relative to the largest logit or to 1.
pub fn assert_close(what: &str, logits: &Tensor, expected: &Tensor) -> Result<()> {
    assert_eq!(logits.dims(), expected.dims(), "{what}");
    let scale = expected.abs()?.max_all()?.to_scalar::<f32>()?.max(1.);
    let difference = (logits - expected)?.abs()?.max_all()?.to_scalar::<f32>()?;
    assert!(difference <= 1e-5 * scale, "{what}: {difference} with logits up to {scale}");
    Ok(())
}
