//! The features that heads are tested on.

use candle_core::{Device, Tensor};

pub const CLASSES: usize = 3;

/// Returns the features of two images, with irregular values of both signs.
pub fn features(shape: &[usize]) -> Tensor {
    let shape = [&[2], shape].concat();
    let values = (0..shape.iter().product::<usize>()).map(|i| ((i * i % 97) as f32 * 0.37 + i as f32 * 1.3).sin());
    Tensor::from_vec(values.collect(), shape, &Device::Cpu).unwrap()
}

/// Checks that no value differs by more than rounding does.
pub fn assert_close(a: &Tensor, b: &Tensor, what: &str) {
    assert_eq!(a.dims(), b.dims(), "{what}");
    let difference = (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
    assert!(difference < 2e-5, "{what}: differs by {difference}");
}
