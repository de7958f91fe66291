//! Two rows as one with the values of both in turn, and the way back.

/// Values of either row done at a time: written out, they become shuffles of vectors, in short rows too.
const BLOCK: usize = 4;

#[inline(always)]
pub fn unzip(row: &[f32], even: &mut [f32], odd: &mut [f32]) {
    let blocks = row.as_chunks::<{ 2 * BLOCK }>().0;
    let halves = even.as_chunks_mut::<BLOCK>().0.iter_mut().zip(odd.as_chunks_mut::<BLOCK>().0);
    for (&[a, b, c, d, e, f, g, h], (even, odd)) in blocks.iter().zip(halves) {
        (*even, *odd) = ([a, c, e, g], [b, d, f, h]);
    }
    for i in blocks.len() * BLOCK..even.len() {
        even[i] = row[2 * i];
    }
    for i in blocks.len() * BLOCK..odd.len() {
        odd[i] = row[2 * i + 1];
    }
}

#[inline(always)]
pub fn zip(even: &[f32], odd: &[f32], row: &mut [f32]) {
    let blocks = row.as_chunks_mut::<{ 2 * BLOCK }>().0;
    let done = blocks.len() * BLOCK;
    let halves = even.as_chunks::<BLOCK>().0.iter().zip(odd.as_chunks::<BLOCK>().0);
    for (block, (&[a, c, e, g], &[b, d, f, h])) in blocks.iter_mut().zip(halves) {
        *block = [a, b, c, d, e, f, g, h];
    }
    for i in done..even.len() {
        row[2 * i] = even[i];
    }
    for i in done..odd.len() {
        row[2 * i + 1] = odd[i];
    }
}
