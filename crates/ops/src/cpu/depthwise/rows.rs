//! The two products, over all places of a grid at once.

use super::super::tile::{Row, WIDTH, vectors, vectors_mut};
use super::grid::Tap;
use pulp::Simd;

/// What taps read: planes with margins, and the masks of their places.
#[derive(Clone, Copy)]
pub struct Planes<'a> {
    pub values: &'a [f32],
    pub masks: &'a [f32],
    /// Of the grid.
    pub places: usize,
}

impl<'a> Planes<'a> {
    /// `B` blocks of a tap's values from place `first` on, and their masks.
    #[inline(always)]
    fn blocks<S: Simd, const V: usize, const B: usize>(
        self,
        tap: &Tap,
        first: usize,
    ) -> (&'a [Row<S, V>], &'a [Row<S, V>]) {
        let values = &self.values[tap.start + first..][..B * WIDTH];
        let masks = &self.masks[tap.mask + first..][..B * WIDTH];
        (&vectors::<S, V>(values)[..B], &vectors::<S, V>(masks)[..B])
    }
}

/// Starts at a cache line: what straddles two is slow to read right after it was written.
#[repr(align(64))]
struct Block([f32; WIDTH]);

/// `out[i] = max(first + Σ_taps weight · values at place i, floor)`; NaN stays NaN.
#[inline(always)]
pub fn row<S: Simd, const V: usize>(
    simd: S,
    taps: &[Tap],
    weight: &[f32],
    planes: Planes,
    first: f32,
    floor: Option<f32>,
    out: &mut [f32],
) {
    // As many blocks as fit the registers.
    let mut rest = out;
    let mut place = 0;
    while rest.len() >= WIDTH {
        let done = match rest.len() / WIDTH {
            1 | 2 => blocks::<S, V, 1>(simd, taps, weight, planes, place, first, floor, rest),
            3..6 => blocks::<S, V, 3>(simd, taps, weight, planes, place, first, floor, rest),
            _ => blocks::<S, V, 6>(simd, taps, weight, planes, place, first, floor, rest),
        };
        rest = &mut rest[done..];
        place += done;
    }
    if !rest.is_empty() {
        let mut block = Block([0.; WIDTH]);
        blocks::<S, V, 1>(simd, taps, weight, planes, place, first, floor, &mut block.0);
        rest.copy_from_slice(&block.0[..rest.len()]);
    }
}

/// The first `B` blocks of `out`, which starts at `place`; how many values they are.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
fn blocks<S: Simd, const V: usize, const B: usize>(
    simd: S,
    taps: &[Tap],
    weight: &[f32],
    planes: Planes,
    place: usize,
    first: f32,
    floor: Option<f32>,
    out: &mut [f32],
) -> usize {
    let mut sums = [[simd.splat_f32s(first); V]; B];
    for tap in taps {
        let (values, masks) = planes.blocks::<S, V, B>(tap, place);
        let factor = simd.splat_f32s(weight[tap.tap]);
        for ((sums, values), masks) in sums.iter_mut().zip(values).zip(masks) {
            for v in 0..V {
                sums[v] = simd.mul_add_e_f32s(factor, simd.and_f32s(values[v], masks[v]), sums[v]);
            }
        }
    }
    if let Some(floor) = floor {
        let floor = simd.splat_f32s(floor);
        for sum in sums.as_flattened_mut() {
            *sum = simd.select_f32s(simd.less_than_f32s(*sum, floor), floor, *sum);
        }
    }
    vectors_mut::<S, V>(&mut out[..B * WIDTH])[..B].copy_from_slice(&sums);
    B * WIDTH
}

/// `sums[tap] += Σ_i values of the tap at place i · those of `other` there`, in lanes.
#[inline(always)]
pub fn dots<S: Simd, const V: usize, const T: usize>(
    simd: S,
    sums: &mut [Row<S, V>],
    taps: &[Tap; T],
    planes: Planes,
    (other, others): (&Tap, &[f32]),
) {
    let mut totals = taps.map(|tap| sums[tap.tap]);
    let others = Planes { values: others, ..planes };
    for place in (0..planes.places).step_by(WIDTH) {
        let (other, other_masks) = others.blocks::<S, V, 1>(other, place);
        for (total, tap) in totals.iter_mut().zip(taps) {
            let (values, masks) = planes.blocks::<S, V, 1>(tap, place);
            for v in 0..V {
                let other = simd.and_f32s(other[0][v], other_masks[0][v]);
                total[v] = simd.mul_add_e_f32s(simd.and_f32s(values[0][v], masks[0][v]), other, total[v]);
            }
        }
    }
    for (tap, total) in taps.iter().zip(totals) {
        sums[tap.tap] = total;
    }
}
