//! The two products, over all places of a grid at once.

use super::super::tile::{Row, WIDTH, vectors, vectors_mut};
use pulp::Simd;

/// Where a tap of the kernel reads.
#[derive(Debug, Clone, Copy)]
pub struct Tap {
    /// Its number.
    pub tap: usize,
    /// Of the first place on the grid, among the values.
    pub start: usize,
    /// Of its mask: all ones where the place has a value, all zeros where not.
    pub mask: usize,
    /// Whether all places that count have a value.
    pub everywhere: bool,
}

/// Some taps, with the furthest start of a value and of a mask.
#[derive(Debug)]
pub struct Taps {
    taps: Vec<Tap>,
    reach: [usize; 2],
}

impl Taps {
    pub fn new(taps: Vec<Tap>) -> Self {
        let reach = [0, 1].map(|of| taps.iter().map(|tap| [tap.start, tap.mask][of]).max().unwrap_or(0));
        Self { taps, reach }
    }

    /// The same for several planes with so many taps each and a `distance` of so many values between them.
    pub fn of_planes(&self, planes: usize, taps_of_plane: usize, distance: usize) -> Self {
        let mut taps = Vec::new();
        for plane in 0..planes {
            for tap in &self.taps {
                let (number, start) = (plane * taps_of_plane + tap.tap, plane * distance + tap.start);
                taps.push(Tap { tap: number, start, ..*tap });
            }
        }
        Self::new(taps)
    }

    /// Whether so many places lie within the planes for all of them.
    pub fn fit(&self, planes: Planes, places: usize) -> bool {
        self.reach[0] + places <= planes.values.len() && self.reach[1] + places <= planes.masks.len()
    }
}

/// What taps read.
#[derive(Clone, Copy)]
pub struct Planes<'a> {
    /// With margins.
    pub values: &'a [f32],
    pub masks: &'a [f32],
}

impl<'a> Planes<'a> {
    /// `B` blocks of a tap's values from a place on, and of its mask.
    ///
    /// # Safety
    /// The taps that `tap` is one of [fit](Taps::fit) so many places.
    #[inline(always)]
    unsafe fn blocks<S: Simd, const V: usize, const B: usize>(self, tap: &Tap, place: usize) -> [&'a [Row<S, V>]; 2] {
        [(self.values, tap.start), (self.masks, tap.mask)].map(|(values, start)| {
            // SAFETY: the caller's promise.
            let blocks = unsafe { values.get_unchecked(start + place..start + place + B * WIDTH) };
            &vectors::<S, V>(blocks)[..B]
        })
    }
}

/// Starts at a cache line: what straddles two is slow to read right after it was written.
#[repr(align(64))]
struct Block([f32; WIDTH]);

/// `out[i] = max(Σ_taps weight · values at place i + bias, floor)`; NaN stays NaN.
#[inline(always)]
pub fn row<S: Simd, const V: usize>(
    simd: S,
    taps: &Taps,
    weight: &[f32],
    planes: Planes,
    bias: Option<f32>,
    floor: Option<f32>,
    out: &mut [f32],
) {
    assert!(taps.fit(planes, out.len().next_multiple_of(WIDTH)));
    let sum = Sum { taps: &taps.taps, weight, planes, bias, floor };
    let (mut rest, mut place) = (out, 0);
    while rest.len() >= WIDTH {
        // As many blocks as fit the registers.
        // SAFETY: none of them reaches beyond what is asserted above.
        let done = unsafe {
            match rest.len() / WIDTH {
                1 | 2 => sum.blocks::<S, V, 1>(simd, place, rest),
                3..6 => sum.blocks::<S, V, 3>(simd, place, rest),
                _ => sum.blocks::<S, V, 6>(simd, place, rest),
            }
        };
        rest = &mut rest[done..];
        place += done;
    }
    if !rest.is_empty() {
        let mut block = Block([0.; WIDTH]);
        // SAFETY: as above.
        unsafe { sum.blocks::<S, V, 1>(simd, place, &mut block.0) };
        rest.copy_from_slice(&block.0[..rest.len()]);
    }
}

struct Sum<'a> {
    taps: &'a [Tap],
    weight: &'a [f32],
    planes: Planes<'a>,
    bias: Option<f32>,
    floor: Option<f32>,
}

impl Sum<'_> {
    /// The first `B` blocks of `out`, which starts at `place`; how many values they are.
    ///
    /// # Safety
    /// The taps [fit](Taps::fit) so many places.
    #[inline(always)]
    unsafe fn blocks<S: Simd, const V: usize, const B: usize>(&self, simd: S, place: usize, out: &mut [f32]) -> usize {
        let mut sums = [[simd.splat_f32s(0.); V]; B];
        for tap in self.taps {
            // SAFETY: the caller's promise.
            let [values, masks] = unsafe { self.planes.blocks::<S, V, B>(tap, place) };
            let factor = simd.splat_f32s(self.weight[tap.tap]);
            for (b, sums) in sums.iter_mut().enumerate() {
                for v in 0..V {
                    let value = values[b][v];
                    let value = if tap.everywhere { value } else { simd.and_f32s(value, masks[b][v]) };
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
        vectors_mut::<S, V>(&mut out[..B * WIDTH])[..B].copy_from_slice(&sums);
        B * WIDTH
    }
}

/// Taps whose sums are kept in registers at the same time.
const TOGETHER: usize = 3;

/// `sums[tap] += Σ_i values of the tap at place i · those of `other` there`, in lanes, over so many places.
#[inline(always)]
pub fn dots<S: Simd, const V: usize>(
    simd: S,
    sums: &mut [Row<S, V>],
    (taps, planes): (&Taps, Planes),
    (other, others): (&Taps, Planes),
    places: usize,
) {
    let places = places.next_multiple_of(WIDTH);
    assert!(taps.fit(planes, places) && other.fit(others, places));
    for taps in taps.taps.chunks(TOGETHER) {
        // SAFETY: the assertion above.
        unsafe {
            match taps.as_chunks().0 {
                [taps] => few_dots::<S, V, TOGETHER>(simd, sums, taps, planes, &other.taps[0], others, places),
                _ => taps.iter().for_each(|tap| {
                    few_dots::<S, V, 1>(simd, sums, &[*tap], planes, &other.taps[0], others, places);
                }),
            }
        }
    }
}

/// [`dots`] of some taps.
///
/// # Safety
/// The taps [fit](Taps::fit) so many places.
#[inline(always)]
unsafe fn few_dots<S: Simd, const V: usize, const T: usize>(
    simd: S,
    sums: &mut [Row<S, V>],
    taps: &[Tap; T],
    planes: Planes,
    other: &Tap,
    others: Planes,
    places: usize,
) {
    let mut totals = taps.map(|tap| sums[tap.tap]);
    for place in (0..places).step_by(WIDTH) {
        // SAFETY: the caller's promise.
        let [others, other_masks] = unsafe { others.blocks::<S, V, 1>(other, place) };
        for (total, tap) in totals.iter_mut().zip(taps) {
            // SAFETY: the caller's promise.
            let [values, masks] = unsafe { planes.blocks::<S, V, 1>(tap, place) };
            for v in 0..V {
                let (value, other) =
                    (simd.and_f32s(values[0][v], masks[0][v]), simd.and_f32s(others[0][v], other_masks[0][v]));
                total[v] = simd.mul_add_e_f32s(value, other, total[v]);
            }
        }
    }
    for (tap, total) in taps.iter().zip(totals) {
        sums[tap.tap] = total;
    }
}
