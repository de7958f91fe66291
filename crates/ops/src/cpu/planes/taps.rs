//! The taps of a kernel on a grid: where each of them reads, and which values are masked.

use pulp::Simd;

use crate::cpu::simd::{BLOCK_WIDTH, Row, vectors};

/// Where a tap of the kernel reads.
#[derive(Debug, Clone, Copy)]
pub struct Tap {
    /// The index of the tap's weight.
    pub index: usize,
    /// Where it reads for the first position of the grid, in [`MaskedPlanes::values`].
    pub start: usize,
    /// Where its mask starts, in [`MaskedPlanes::masks`].
    pub mask: usize,
    /// True if it reads within the image at all positions that matter, so that the mask can be skipped.
    pub always_inside: bool,
}

/// Some taps of a kernel.
#[derive(Debug)]
pub struct Taps {
    taps: Vec<Tap>,
    /// The largest start of values and of a mask.
    largest: [usize; 2],
}

impl Taps {
    pub fn new(taps: Vec<Tap>) -> Self {
        let largest = [0, 1].map(|of| taps.iter().map(|tap| [tap.start, tap.mask][of]).max().unwrap_or(0));
        Self { taps, largest }
    }

    /// Returns the same taps on each of `planes` planes, which are `distance` values apart and have `weights` weights
    /// each.
    pub fn repeated(&self, planes: usize, weights: usize, distance: usize) -> Self {
        let mut taps = Vec::new();
        for plane in 0..planes {
            for tap in &self.taps {
                let (index, start) = (plane * weights + tap.index, plane * distance + tap.start);
                taps.push(Tap { index, start, ..*tap });
            }
        }
        Self::new(taps)
    }

    #[inline(always)]
    pub fn as_slice(&self) -> &[Tap] {
        &self.taps
    }

    /// Returns whether all taps read within the planes for this number of positions.
    pub fn fit(&self, planes: MaskedPlanes, positions: usize) -> bool {
        let ends = self.largest.map(|start| start.saturating_add(positions));
        self.taps.is_empty() || (ends[0] <= planes.values.len() && ends[1] <= planes.masks.len())
    }
}

/// The planes that taps read, and their masks.
#[derive(Clone, Copy)]
pub struct MaskedPlanes<'a> {
    /// The planes on the grid, with margins.
    pub values: &'a [f32],
    /// See [`Grid::masks`](super::Grid::masks).
    pub masks: &'a [f32],
}

impl<'a> MaskedPlanes<'a> {
    /// Returns `B` rows of values of a tap from a position on, and as many of its mask.
    ///
    /// # Safety
    /// The tap belongs to taps that [fit](Taps::fit) `position + B · BLOCK_WIDTH` positions.
    #[inline(always)]
    pub unsafe fn rows<S: Simd, const V: usize, const B: usize>(
        self,
        tap: &Tap,
        position: usize,
    ) -> [&'a [Row<S, V>]; 2] {
        [(self.values, tap.start), (self.masks, tap.mask)].map(|(values, start)| {
            // SAFETY: the caller's promise.
            let rows = unsafe { values.get_unchecked(start + position..start + position + B * BLOCK_WIDTH) };
            &vectors::<S, V>(rows)[..B]
        })
    }
}
