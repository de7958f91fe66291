//! Weights and images that follow from a formula, the same as those of `fixtures/pytorch.py`.

use candle_core::{Device, Result, Tensor};
use training::Parameters;

/// Pseudo-random values for a tensor of this name.
pub fn values(name: &str, shape: &[usize]) -> Result<Tensor> {
    let seed = name.bytes().fold(2_166_136_261u32, |seed, byte| (seed ^ u32::from(byte)).wrapping_mul(16_777_619));
    let kind = name.rsplit('.').next().unwrap_or(name);
    let count: usize = shape.iter().product();
    let (low, high) = match kind {
        "p" | "r" => (2., 4.),
        "running_var" => (0.5, 1.5),
        "weight" if shape.len() == 1 => (0.5, 1.5),
        "weight" => {
            let bound = (6. / (count / shape[0]) as f64).sqrt();
            (-bound, bound)
        }
        "images" => (-1., 1.),
        _ => (-0.2, 0.2),
    };
    let value = |i: u32| {
        let mut x = seed.wrapping_add(i);
        x = (x ^ (x >> 16)).wrapping_mul(0x85EB_CA6B);
        x = (x ^ (x >> 13)).wrapping_mul(0xC2B2_AE35);
        (low + (high - low) * (f64::from((x ^ (x >> 16)) >> 8) / 2f64.powi(24))) as f32
    };
    Tensor::from_vec((0..count as u32).map(value).collect(), shape, &Device::Cpu)
}

/// Sets all parameters and running statistics by the formula.
pub fn fill(parameters: &Parameters) -> Result<()> {
    parameters.all().iter().try_for_each(|(name, variable)| variable.set(&values(name, variable.dims())?))
}
