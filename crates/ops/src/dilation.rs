//! Dilated convolutions without zeros in the kernel.
//!
//! Along one axis, output `o` of a convolution of stride s and dilation d reads the positions `o·s + k·d` of the padded
//! input. With `g = gcd(s, d)`, the outputs `o = q·(d/g) + r` of one remainder r read `r·s + d·(q·(s/g) + k)`: every
//! d-th position from `r·s` on, convolved without dilation and with stride s/g. The `d/g` remainders are called phases
//! here; all of them are convolved together as a larger batch.

use candle_core::{Error, Result, Tensor, bail};

use crate::{Conv2dConfig, sizes::check_memory};

/// Computes a dilated convolution from the undilated one that `convolve` computes with the given configuration.
pub(crate) fn by_phases(
    xs: &Tensor,
    kernel: [usize; 2],
    config: &Conv2dConfig,
    convolve: impl FnOnce(&Tensor, &Conv2dConfig) -> Result<Tensor>,
) -> Result<Tensor> {
    let (n, c, height, width) = xs.dims4()?;
    let output = config.output_size(kernel, [height, width])?;
    let rows = Phases::new(kernel[0], output[0], config, 0, height)?;
    let columns = Phases::new(kernel[1], output[1], config, 1, width)?;
    check_memory("conv2d: a padded batch", &[n, c, rows.padded, columns.padded])?;
    let positions = [rows.positions.len(), columns.positions.len()];
    check_memory("conv2d: a dilated batch", &[n, c, positions[0], positions[1]])?;

    let xs = columns.select(&rows.select(xs, 2)?, 3)?;
    let xs = xs.reshape(vec![n, c, rows.count, rows.len, columns.count, columns.len])?;
    let batch = rows.count * columns.count * n;
    let xs = xs.permute([2, 4, 0, 1, 3, 5])?.reshape((batch, c, rows.len, columns.len))?;

    let undilated =
        Conv2dConfig { stride: [rows.stride, columns.stride], padding: [0; 2], dilation: [1; 2], ..*config };
    let ys = convolve(&xs, &undilated)?;
    let (_, c, height, width) = ys.dims4()?;
    if [height, width] != [rows.outputs, columns.outputs] {
        bail!("internal: {height}x{width} outputs of a phase instead of {}x{}", rows.outputs, columns.outputs)
    }

    let ys = ys.reshape(vec![rows.count, columns.count, n, c, height, width])?.permute([2, 3, 4, 0, 5, 1])?;
    let ys = ys.reshape((n, c, height * rows.count, width * columns.count))?;
    ys.narrow(2, 0, output[0])?.narrow(3, 0, output[1])
}

/// The phases of one axis. All have the same length, so the last outputs of some may be superfluous.
struct Phases {
    count: usize,
    /// The number of positions in a phase.
    len: usize,
    /// The number of outputs of a phase.
    outputs: usize,
    /// The stride inside a phase.
    stride: usize,
    padding: usize,
    /// The length of the axis with the zeros before and after it that the phases read.
    padded: usize,
    /// The positions of all phases in the padded input, one phase after the other.
    positions: Vec<u32>,
}

impl Phases {
    /// Takes the sizes of the kernel, the output and the input along an axis, of which the output's is
    /// [`Conv2dConfig::output_size`].
    fn new(kernel: usize, output: usize, config: &Conv2dConfig, axis: usize, input: usize) -> Result<Self> {
        let [stride, padding, dilation] = [config.stride, config.padding, config.dilation].map(|values| values[axis]);
        // Without neighbours there is nothing to dilate.
        let dilation = if kernel == 1 { 1 } else { dilation };
        let common = gcd(stride, dilation);
        let count = (dilation / common).min(output);
        let outputs = output.div_ceil(count);
        let len = (outputs - 1) * (stride / common) + kernel;
        let too_long = "conv2d: a dilated axis of more than 2^32 positions is not supported";
        let position = |r: usize, i: usize| {
            let position = r.checked_mul(stride)?.checked_add(i.checked_mul(dilation)?)?;
            u32::try_from(position).ok()
        };
        let phase = |r: usize| (0..len).map(move |i| position(r, i).ok_or_else(|| Error::msg(too_long)));
        check_memory("conv2d: the positions of a dilated kernel", &[count, len])?;
        let positions = (0..count).flat_map(phase).collect::<Result<Vec<_>>>()?;
        let last = positions.iter().max().map_or(0, |&last| last as usize);
        let padded = (padding + input).max(last + 1);
        Ok(Self { count, len, outputs, stride: stride / common, padding, padded, positions })
    }

    /// Pads an axis with zeros and selects the positions of all phases.
    fn select(&self, xs: &Tensor, axis: usize) -> Result<Tensor> {
        let right = self.padded - self.padding - xs.dim(axis)?;
        let padded = xs.pad_with_zeros(axis, self.padding, right)?;
        padded.contiguous()?.index_select(&Tensor::new(&self.positions[..], xs.device())?, axis)
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
