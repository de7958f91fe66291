//! Functions of the values at one index of some slices. Planes are often shorter than the blocks of several vectors that the
//! compiler makes of a loop over them, so these loops take one vector at a time, and the rest of a slice as an incomplete one.

use pulp::Simd;

/// A function of the values at one index of `SLICES` slices.
pub trait Function<const SLICES: usize> {
    /// Computes the function for a vector of indices. Implementations are `#[inline(always)]`: only then are they compiled
    /// for the instruction set of `S`.
    fn apply<S: Simd>(&self, simd: S, values: [S::f32s; SLICES]) -> S::f32s;
}

/// Writes `f` of `slices`, which are as long as `out`.
#[inline(always)]
pub fn map<S: Simd, const SLICES: usize>(simd: S, slices: [&[f32]; SLICES], out: &mut [f32], f: impl Function<SLICES>) {
    let (out, out_rest) = S::as_mut_simd_f32s(out);
    let mut vectors = [&[][..]; SLICES];
    let mut rests = [&[][..]; SLICES];
    for (i, slice) in slices.into_iter().enumerate() {
        let (of_slice, rest) = S::as_simd_f32s(slice);
        (vectors[i], rests[i]) = (&of_slice[..out.len()], &rest[..out_rest.len()]);
    }
    let mut values = [simd.splat_f32s(0.); SLICES];
    for (i, out) in out.iter_mut().enumerate() {
        for (value, of_slice) in values.iter_mut().zip(vectors) {
            *value = of_slice[i];
        }
        *out = f.apply(simd, values);
    }
    if !out_rest.is_empty() {
        for (value, rest) in values.iter_mut().zip(rests) {
            *value = simd.partial_load_f32s(rest);
        }
        simd.partial_store_f32s(out_rest, f.apply(simd, values));
    }
}
