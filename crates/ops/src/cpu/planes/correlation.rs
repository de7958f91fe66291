//! The correlation of planes with a kernel, over all positions of a grid at once.

use pulp::Simd;

use super::taps::{MaskedPlanes, Tap, Taps};
use crate::cpu::simd::{BLOCK_WIDTH, CacheAligned, vectors_mut};

/// Correlates planes with a kernel: `out[i] = max(Σ_taps weight · value of the tap at position i + bias, floor)`. NaN
/// stays NaN.
#[inline(always)]
pub fn correlate<S: Simd, const V: usize>(
    simd: S,
    taps: &Taps,
    weight: &[f32],
    planes: MaskedPlanes,
    bias: Option<f32>,
    floor: Option<f32>,
    out: &mut [f32],
) {
    assert!(taps.fit(planes, out.len().next_multiple_of(BLOCK_WIDTH)));
    let correlation = Correlation { taps: taps.as_slice(), weight, planes, bias, floor };
    let (mut rest, mut position) = (out, 0);
    while rest.len() >= BLOCK_WIDTH {
        // As many rows at once as fit the registers.
        // SAFETY: none of them reaches beyond what is asserted above.
        let done = unsafe {
            match rest.len() / BLOCK_WIDTH {
                1 | 2 => correlation.write_rows::<S, V, 1>(simd, position, rest),
                3..6 => correlation.write_rows::<S, V, 3>(simd, position, rest),
                _ => correlation.write_rows::<S, V, 6>(simd, position, rest),
            }
        };
        rest = &mut rest[done..];
        position += done;
    }
    if !rest.is_empty() {
        let mut row = CacheAligned([0.; BLOCK_WIDTH]);
        // SAFETY: as above.
        unsafe { correlation.write_rows::<S, V, 1>(simd, position, &mut row.0) };
        rest.copy_from_slice(&row.0[..rest.len()]);
    }
}

/// The arguments of [`correlate`].
struct Correlation<'a> {
    taps: &'a [Tap],
    weight: &'a [f32],
    planes: MaskedPlanes<'a>,
    bias: Option<f32>,
    floor: Option<f32>,
}

impl Correlation<'_> {
    /// Writes the first `B` rows of `out`, which starts at `position`, and returns their number of values.
    ///
    /// # Safety
    /// The taps [fit](Taps::fit) `position + B · BLOCK_WIDTH` positions.
    #[inline(always)]
    unsafe fn write_rows<S: Simd, const V: usize, const B: usize>(
        &self,
        simd: S,
        position: usize,
        out: &mut [f32],
    ) -> usize {
        let mut sums = [[simd.splat_f32s(0.); V]; B];
        for tap in self.taps {
            // SAFETY: the caller's promise.
            let [values, masks] = unsafe { self.planes.rows::<S, V, B>(tap, position) };
            let factor = simd.splat_f32s(self.weight[tap.index]);
            for (b, sums) in sums.iter_mut().enumerate() {
                for v in 0..V {
                    let value = values[b][v];
                    let value = if tap.always_inside { value } else { simd.and_f32s(value, masks[b][v]) };
                    sums[v] = simd.mul_add_e_f32s(factor, value, sums[v]);
                }
            }
        }
        if let Some(bias) = self.bias {
            let bias = simd.splat_f32s(bias);
            sums.as_flattened_mut().iter_mut().for_each(|sum| *sum = simd.add_f32s(*sum, bias));
        }
        if let Some(floor) = self.floor {
            let floor = simd.splat_f32s(floor);
            for sum in sums.as_flattened_mut() {
                *sum = simd.select_f32s(simd.less_than_f32s(*sum, floor), floor, *sum);
            }
        }
        vectors_mut::<S, V>(&mut out[..B * BLOCK_WIDTH])[..B].copy_from_slice(&sums);
        B * BLOCK_WIDTH
    }
}
