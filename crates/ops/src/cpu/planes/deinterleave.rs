//! Splits a row into its even and odd values.

/// The number of values of each half per step. Written out, a step compiles to vector shuffles, in short rows too.
const STEP: usize = 4;

/// Splits a row into the values at even and at odd indices.
#[inline(always)]
pub fn deinterleave(row: &[f32], even: &mut [f32], odd: &mut [f32]) {
    let steps = row.as_chunks::<{ 2 * STEP }>().0;
    let halves = even.as_chunks_mut::<STEP>().0.iter_mut().zip(odd.as_chunks_mut::<STEP>().0);
    for (&[a, b, c, d, e, f, g, h], (even, odd)) in steps.iter().zip(halves) {
        (*even, *odd) = ([a, c, e, g], [b, d, f, h]);
    }
    for i in steps.len() * STEP..even.len() {
        even[i] = row[2 * i];
    }
    for i in steps.len() * STEP..odd.len() {
        odd[i] = row[2 * i + 1];
    }
}
