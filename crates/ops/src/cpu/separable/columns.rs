//! What the two kernels for full weight matrices have in common.

/// The columns of a product, one for each output channel: weights and bias.
pub struct Columns {
    /// (block of `width` channels, K, width)
    pub weight: Vec<f32>,
    /// One value for each channel. Zeros fill the last block.
    pub bias: Vec<f32>,
    /// The least result.
    pub least: f32,
}

impl Columns {
    /// Packs weights (C_out, `depth`) and bias (C_out) in blocks of `width` channels, and fills up to `channels` with zeros.
    pub fn new(
        (weight, bias, relu): (&[f32], Option<&[f32]>, bool),
        depth: usize,
        width: usize,
        channels: usize,
    ) -> Self {
        let channels = channels.next_multiple_of(width);
        let mut packed = vec![0.; channels * depth];
        for (channel, weight) in weight.chunks_exact(depth).enumerate() {
            let block = &mut packed[channel / width * width * depth + channel % width..];
            block.iter_mut().step_by(width).zip(weight).for_each(|(value, weight)| *value = *weight);
        }
        let mut padded_bias = bias.map_or(Vec::new(), <[f32]>::to_vec);
        padded_bias.resize(channels, 0.);
        Self { weight: packed, bias: padded_bias, least: least(relu) }
    }
}

/// Returns the least result of a layer: 0 if a ReLU follows, or else −∞.
pub fn least(relu: bool) -> f32 {
    if relu { 0. } else { f32::NEG_INFINITY }
}
