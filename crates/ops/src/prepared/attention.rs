use candle_core::Result;

use super::{chain::MIN_SHARED_FLOPS, memory::values, operator::Prepared, pool::positions};
use crate::{
    attention::{GatedAttention, attention_shape, packed},
    cpu::{
        attention::{AttentionShape, forward_into},
        parallel,
    },
};

/// [`gated_attention_pool`](crate::gated_attention_pool) with fixed parameters, on inputs (C, H, W). A sequence (C, L) is
/// an image (C, 1, L).
pub struct GatedAttentionPool {
    shape: AttentionShape,
    parameters: Vec<f32>,
}

impl GatedAttentionPool {
    /// Prepares the pooling.
    ///
    /// # Errors
    /// The same as for [`gated_attention_pool`](crate::gated_attention_pool); fails also if the parameters are not f32 on
    /// the CPU.
    pub fn new(parameters: &GatedAttention, input: [usize; 3]) -> Result<Self> {
        let shape = attention_shape([1, input[0], positions(input)?], parameters)?;
        Ok(Self { shape, parameters: values(&packed(parameters)?)? })
    }
}

impl Prepared for GatedAttentionPool {
    fn sizes(&self) -> [usize; 2] {
        [self.shape.image(), self.shape.channels]
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        let batch = self.batch(x, y)?;
        let mut run = || forward_into(&self.shape, x, &self.parameters, y);
        if batch.saturating_mul(self.flops()) < MIN_SHARED_FLOPS {
            parallel::on_this_thread(run)
        } else {
            run()
        }
        Ok(())
    }

    fn flops(&self) -> usize {
        self.shape.flops()
    }

    fn working_set(&self) -> usize {
        2 * self.shape.image() + self.shape.gates()
    }
}
