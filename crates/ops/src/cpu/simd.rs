//! SIMD kernels written once, on top of `pulp`, for every instruction set.
//!
//! Matrix products are computed in register blocks that are [`BLOCK_WIDTH`] values wide on every instruction set, so
//! that the layout of packed buffers does not depend on it. A row of a block is `V` vectors with V · lanes =
//! `BLOCK_WIDTH`: one on AVX-512, two on AVX2, four on NEON. [`dispatch`] chooses `V`. A few products have blocks of
//! [`HALF_BLOCK`], for which [`dispatch_half`] chooses `V`.

use pulp::Simd;

use super::isa::{arch, half_block_arch};

/// The number of columns of a register block.
pub const BLOCK_WIDTH: usize = 16;

/// Half a block: the width of blocks where there are no more columns.
pub const HALF_BLOCK: usize = BLOCK_WIDTH / 2;

/// A row of a register block, or of half of one, in `V` vectors.
pub type Row<S, const V: usize> = [<S as Simd>::f32s; V];

/// A buffer that starts at a cache line. A vector that straddles two cache lines is slow to load right after it was
/// stored.
#[repr(align(64))]
pub struct CacheAligned<T>(pub T);

/// Returns the number of values of a row.
#[inline(always)]
pub const fn row_width<S: Simd, const V: usize>() -> usize {
    V * S::F32_LANES
}

/// Returns the values as rows of `V` vectors; an incomplete last row is left out.
#[inline(always)]
pub fn vectors<S: Simd, const V: usize>(values: &[f32]) -> &[Row<S, V>] {
    S::as_simd_f32s(values).0.as_chunks().0
}

/// Returns the values as mutable rows of `V` vectors; an incomplete last row is left out.
#[inline(always)]
pub fn vectors_mut<S: Simd, const V: usize>(values: &mut [f32]) -> &mut [Row<S, V>] {
    S::as_mut_simd_f32s(values).0.as_chunks_mut().0
}

/// Computes `a + b`.
#[inline(always)]
pub fn add<S: Simd, const V: usize>(simd: S, mut a: Row<S, V>, b: Row<S, V>) -> Row<S, V> {
    for v in 0..V {
        a[v] = simd.add_f32s(a[v], b[v]);
    }
    a
}

/// Computes `a · b + c`, rounded once where the instruction set can do so.
#[inline(always)]
pub fn multiply_add<S: Simd, const V: usize>(simd: S, a: Row<S, V>, b: Row<S, V>, mut c: Row<S, V>) -> Row<S, V> {
    for v in 0..V {
        c[v] = simd.mul_add_e_f32s(a[v], b[v], c[v]);
    }
    c
}

/// Computes `−a`. Not with `neg_f32s`: where that function is not inlined, it does not get the instruction set of `S`.
#[inline(always)]
pub fn negated<S: Simd>(simd: S, a: S::f32s) -> S::f32s {
    simd.xor_f32s(a, simd.splat_f32s(-0.))
}

/// Computes `max(x, 0)`; NaN stays NaN, and −0 stays −0.
#[inline(always)]
pub fn relu<S: Simd, const V: usize>(simd: S, row: Row<S, V>) -> Row<S, V> {
    at_least::<S, V>(simd, row, simd.splat_f32s(0.))
}

/// Computes `max(x, least)`; NaN stays NaN, and −0 stays −0 where `least` is 0.
#[inline(always)]
pub fn at_least<S: Simd, const V: usize>(simd: S, mut row: Row<S, V>, least: S::f32s) -> Row<S, V> {
    // Not `map`: where that function is not inlined, its closure does not get the instruction set of `S`.
    for x in &mut row {
        *x = if cfg!(target_arch = "x86_64") && S::F32_LANES >= 8 {
            // The instruction of AVX returns its second operand if one of them is NaN or both are zero.
            simd.max_f32s(least, *x)
        } else {
            simd.select_f32s(simd.less_than_f32s(*x, least), least, *x)
        };
    }
    row
}

/// A computation that is compiled for every instruction set.
pub trait Kernel {
    /// Runs with the vectors of `S`, of which `V` make up a row of a block. Implementations are `#[inline(always)]`: only then
    /// are they compiled for the instruction set of `S`.
    fn run<S: Simd, const V: usize>(self, simd: S);
}

/// Runs a kernel on the instruction set in use.
pub fn dispatch(kernel: impl Kernel) {
    struct Dispatch<K>(K);
    impl<K: Kernel> pulp::WithSimd for Dispatch<K> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            match S::F32_LANES {
                16 => self.0.run::<S, 1>(simd),
                8 => self.0.run::<S, 2>(simd),
                4 => self.0.run::<S, 4>(simd),
                _ => self.0.run::<S, BLOCK_WIDTH>(simd),
            }
        }
    }
    arch().dispatch(Dispatch(kernel))
}

/// Runs a kernel for rows of this width, [`BLOCK_WIDTH`] or [`HALF_BLOCK`].
pub fn dispatch_width(width: usize, kernel: impl Kernel) {
    if width == HALF_BLOCK { dispatch_half(kernel) } else { dispatch(kernel) }
}

/// Runs a kernel for rows of half a block: `V` vectors make up [`HALF_BLOCK`] values. With AVX-512 these are vectors of AVX2,
/// of which a core multiplies as many values per cycle.
pub fn dispatch_half(kernel: impl Kernel) {
    struct Dispatch<K>(K);
    impl<K: Kernel> pulp::WithSimd for Dispatch<K> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            match S::F32_LANES {
                16 => unreachable!("`half_block_arch` has no vectors of a whole block"),
                8 => self.0.run::<S, 1>(simd),
                4 => self.0.run::<S, 2>(simd),
                _ => self.0.run::<S, HALF_BLOCK>(simd),
            }
        }
    }
    half_block_arch().dispatch(Dispatch(kernel))
}
