//! Functions of the values at one index of some slices, and of coefficients of the channel that the values belong to. Planes are
//! often shorter than the blocks of several vectors that the compiler makes of a loop over them, so these loops take one vector
//! at a time, and the rest of a slice as an incomplete one.

use pulp::Simd;

/// A function of the values at one index of `INPUTS` slices, with `COEFFICIENTS` of their channel.
pub trait Function<const INPUTS: usize, const COEFFICIENTS: usize, const RESULTS: usize> {
    /// Computes the function for a vector of indices. Implementations are `#[inline(always)]`: only then are they compiled
    /// for the instruction set of `S`.
    fn apply<S: Simd>(
        &self,
        simd: S,
        values: [S::f32s; INPUTS],
        coefficients: [S::f32s; COEFFICIENTS],
    ) -> [S::f32s; RESULTS];
}

/// Writes `f` of slices of one channel, which are as long as `out`.
#[inline(always)]
pub fn map<S: Simd, const INPUTS: usize, const COEFFICIENTS: usize>(
    simd: S,
    inputs: [&[f32]; INPUTS],
    coefficients: [f32; COEFFICIENTS],
    out: &mut [f32],
    f: &impl Function<INPUTS, COEFFICIENTS, 1>,
) {
    let of_channel = splat(simd, coefficients);
    let (out, out_rest) = S::as_mut_simd_f32s(out);
    let (vectors, rests) = split::<S, INPUTS>(inputs, out.len(), out_rest.len());
    for (i, out) in out.iter_mut().enumerate() {
        [*out] = f.apply(simd, at::<S, INPUTS>(simd, vectors, i), of_channel);
    }
    if !out_rest.is_empty() {
        let [last] = f.apply(simd, partial(simd, rests), of_channel);
        simd.partial_store_f32s(out_rest, last);
    }
}

/// Returns the slices as `count` vectors and a rest of `rest` values.
#[inline(always)]
pub fn split<S: Simd, const N: usize>(
    slices: [&[f32]; N],
    count: usize,
    rest: usize,
) -> ([&[S::f32s]; N], [&[f32]; N]) {
    let (mut vectors, mut rests) = ([&[][..]; N], [&[][..]; N]);
    for (i, slice) in slices.into_iter().enumerate() {
        let (of_slice, rest_of_slice) = S::as_simd_f32s(slice);
        (vectors[i], rests[i]) = (&of_slice[..count], &rest_of_slice[..rest]);
    }
    (vectors, rests)
}

/// Returns the vectors at one index.
#[inline(always)]
pub fn at<S: Simd, const N: usize>(simd: S, vectors: [&[S::f32s]; N], index: usize) -> [S::f32s; N] {
    let mut values = [simd.splat_f32s(0.); N];
    for (value, of_slice) in values.iter_mut().zip(vectors) {
        *value = of_slice[index];
    }
    values
}

/// Returns slices that are shorter than a vector as incomplete vectors.
#[inline(always)]
pub fn partial<S: Simd, const N: usize>(simd: S, slices: [&[f32]; N]) -> [S::f32s; N] {
    let mut values = [simd.splat_f32s(0.); N];
    for (value, slice) in values.iter_mut().zip(slices) {
        *value = simd.partial_load_f32s(slice);
    }
    values
}

/// Returns a vector of each value.
#[inline(always)]
pub fn splat<S: Simd, const N: usize>(simd: S, values: [f32; N]) -> [S::f32s; N] {
    let mut vectors = [simd.splat_f32s(0.); N];
    for (vector, value) in vectors.iter_mut().zip(values) {
        *vector = simd.splat_f32s(value);
    }
    vectors
}
