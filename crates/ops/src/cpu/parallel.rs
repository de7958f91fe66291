use rayon::prelude::*;

/// Below this many floating-point operations handing work to other threads costs more than it saves.
const WORTH_A_THREAD: usize = 1 << 18;

fn in_place(work: usize) -> bool {
    work < WORTH_A_THREAD || rayon::current_num_threads() == 1
}

/// Runs `f(i, chunk)` on every chunk of `len` values of `out`, on the current rayon pool when `work` (an estimate of
/// all floating-point operations together) is worth it and there is more than one. The chunks are the same either way.
pub fn chunks(out: &mut [f32], len: usize, work: usize, f: impl Fn(usize, &mut [f32]) + Sync + Send) {
    if len == 0 {
        return;
    }
    if out.len() <= len || in_place(work) {
        out.chunks_mut(len).enumerate().for_each(|(i, chunk)| f(i, chunk));
    } else {
        out.par_chunks_mut(len).enumerate().for_each(|(i, chunk)| f(i, chunk));
    }
}

/// As [`chunks`], over two buffers cut into the same number of chunks.
pub fn chunks2<B: Send>(
    (a, len_a): (&mut [f32], usize),
    (b, len_b): (&mut [B], usize),
    work: usize,
    f: impl Fn(usize, &mut [f32], &mut [B]) + Sync + Send,
) {
    debug_assert_eq!(a.len().div_ceil(len_a), b.len().div_ceil(len_b));
    if a.len() <= len_a || in_place(work) {
        a.chunks_mut(len_a).zip(b.chunks_mut(len_b)).enumerate().for_each(|(i, (a, b))| f(i, a, b));
    } else {
        a.par_chunks_mut(len_a).zip(b.par_chunks_mut(len_b)).enumerate().for_each(|(i, (a, b))| f(i, a, b));
    }
}
