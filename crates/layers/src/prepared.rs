use candle_core::{Device, Result, Tensor, bail};
use ops::prepared::Prepared;

/// Makes a [`Prepared`] of a function on tensors, for layers without kernels on slices.
///
/// Each call makes a tensor of the inputs, whose shape is `input` (without the batch axis), and copies the result, which
/// has `output` values per input.
pub fn prepare_with<'a>(
    input: &[usize],
    output: usize,
    forward: impl Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'a,
) -> Box<dyn Prepared + 'a> {
    Box::new(PreparedFunction { input: input.to_vec(), output, forward })
}

struct PreparedFunction<F> {
    input: Vec<usize>,
    output: usize,
    forward: F,
}

impl<F: Fn(&Tensor) -> Result<Tensor> + Send + Sync> Prepared for PreparedFunction<F> {
    fn sizes(&self) -> [usize; 2] {
        [self.input.iter().product(), self.output]
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        let batch = self.batch(x, y)?;
        let shape = [&[batch], &self.input[..]].concat();
        let ys = (self.forward)(&Tensor::from_slice(x, shape, &Device::Cpu)?)?.flatten_all()?.to_vec1()?;
        if ys.len() != y.len() {
            let (values, expected) = (ys.len(), self.output);
            bail!(
                "the layer returned {values} values for a batch of {batch}, but was prepared for {expected} per input"
            )
        }
        y.copy_from_slice(&ys);
        Ok(())
    }

    /// Returns `true`: creating tensors for each piece of a batch would take longer than the cache saves.
    fn prefers_whole_batch(&self) -> bool {
        true
    }
}

/// Returns the shape of a feature map (C, L) or (C, H, W) as (C, H, W), with H = 1 if there is one spatial axis.
///
/// # Errors
/// Fails for another number of axes.
pub fn image_shape(features: &[usize]) -> Result<[usize; 3]> {
    match *features {
        [channels, length] => Ok([channels, 1, length]),
        [channels, height, width] => Ok([channels, height, width]),
        _ => bail!("unsupported shape {features:?} of a feature map; expected (C, L) or (C, H, W)"),
    }
}
