use candle_core::{Device, Result, Tensor, bail};

use super::Pairs;
use crate::order::Order;

impl Pairs {
    /// Iterates over all pairs once, in batches of sequences of `length` positions; see
    /// [`Protein::padded`](super::Protein::padded). The last batch may be smaller.
    ///
    /// # Shapes
    /// Each item holds the inputs, ids (N, `length`) of u32 and fingerprints (N, bits) of f32, and the targets (N) of f32: 1 for a
    /// pair that binds, else 0.
    ///
    /// # Errors
    /// All items are errors if `batch_size` or `length` is 0.
    pub fn batches(
        &self,
        batch_size: usize,
        order: Order,
        length: usize,
        device: &Device,
    ) -> impl ExactSizeIterator<Item = Result<([Tensor; 2], Tensor)>> + use<'_> {
        let (indices, device) = (order.indices(self.len()), device.clone());
        let size = batch_size.max(1);
        (0..indices.len().div_ceil(size)).map(move |batch| {
            if batch_size == 0 || length == 0 {
                bail!("batches of {batch_size} sequences of {length} positions are impossible; both must be at least 1")
            }
            let rest = &indices[batch * size..];
            self.batch(&rest[..size.min(rest.len())], length, &device)
        })
    }

    /// Builds the batch of the pairs at `indices`, as [`batches`](Self::batches) gives it.
    ///
    /// # Errors
    /// No indices, one without a pair, and a `length` of 0.
    pub fn batch(&self, indices: &[usize], length: usize, device: &Device) -> Result<([Tensor; 2], Tensor)> {
        if indices.is_empty() || length == 0 {
            bail!("a batch of {} sequences of {length} positions is impossible; both must be at least 1", indices.len())
        }
        if let Some(index) = indices.iter().find(|&&index| index >= self.len()) {
            bail!("there is no pair {index}; the last of {} is {}", self.len(), self.len().saturating_sub(1))
        }
        let ids: Vec<u32> = indices.iter().flat_map(|&index| self.protein(index).padded(length)).collect();
        let bits = indices.iter().flat_map(|&index| &self.drug(index).fingerprint).map(|&bit| f32::from(bit)).collect();
        let targets = indices.iter().map(|&index| f32::from(u8::from(self.interactions[index].binds))).collect();
        let count = indices.len();
        let ids = Tensor::from_vec(ids, (count, length), device)?;
        let bits = Tensor::from_vec(bits, (count, self.fingerprint_bits()), device)?;
        Ok(([ids, bits], Tensor::from_vec(targets, count, device)?))
    }
}
