//! Work on buffers cut into chunks, on the current rayon pool where that is worth it. The chunks are the same either
//! way, whatever the number of threads.

use rayon::prelude::*;
use std::cell::Cell;
use std::mem::MaybeUninit;

/// Below this many floating-point operations handing work to other threads costs more than it saves.
const WORTH_A_THREAD: usize = 1 << 18;

/// Runs `f(i, chunk)` on every chunk of `len` values of `out`; `work` is an estimate of all floating-point operations
/// together.
pub fn chunks<A: Send>(out: &mut [A], len: usize, work: usize, f: impl Fn(usize, &mut [A]) + Sync + Send) {
    let len = len.max(1);
    let mut nothing = vec![(); out.len().div_ceil(len)];
    chunks2((out, len), (&mut nothing, 1), work, |i, chunk, _| f(i, chunk));
}

/// As [`chunks`], over two buffers cut into the same number of chunks.
pub fn chunks2<A: Send, B: Send>(
    (a, len_a): (&mut [A], usize),
    (b, len_b): (&mut [B], usize),
    work: usize,
    f: impl Fn(usize, &mut [A], &mut [B]) + Sync + Send,
) {
    assert_eq!(a.len().div_ceil(len_a), b.len().div_ceil(len_b));
    if a.len() <= len_a || work < WORTH_A_THREAD || rayon::current_num_threads() == 1 || IS_PIECE.get() {
        a.chunks_mut(len_a).zip(b.chunks_mut(len_b)).enumerate().for_each(|(i, (a, b))| f(i, a, b));
    } else {
        a.par_chunks_mut(len_a).zip(b.par_chunks_mut(len_b)).enumerate().for_each(|(i, (a, b))| {
            let _piece = Piece::start();
            f(i, a, b);
        });
    }
}

thread_local! {
    static IS_PIECE: Cell<bool> = const { Cell::new(false) };
}

/// While it lives its thread does a piece of parallel work and hands nothing over to others: they have their own.
struct Piece;

impl Piece {
    fn start() -> Self {
        IS_PIECE.set(true);
        Self
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        IS_PIECE.set(false);
    }
}

/// A new buffer of `total` values, filled as by [`chunks`]. There is no pass over memory to set it to zero: `f` takes
/// its chunk bit by bit, and gets zeros that are still in the cache when it writes.
pub fn filled(total: usize, len: usize, work: usize, f: impl Fn(usize, Fresh) + Sync + Send) -> Vec<f32> {
    let len = len.max(1);
    let mut nothing = vec![(); total.div_ceil(len)];
    filled2((total, len), (&mut nothing, 1), work, |i, chunk, _| f(i, chunk))
}

/// As [`filled`], along with a buffer that is there already, as by [`chunks2`].
pub fn filled2<B: Send>(
    (total, len): (usize, usize),
    b: (&mut [B], usize),
    work: usize,
    f: impl Fn(usize, Fresh, &mut [B]) + Sync + Send,
) -> Vec<f32> {
    let mut out = Vec::with_capacity(total);
    chunks2((&mut out.spare_capacity_mut()[..total], len), b, work, |i, chunk, b| {
        let mut rest = chunk;
        f(i, Fresh { rest: &mut rest }, b);
        Fresh { rest: &mut rest }.take_all();
    });
    // SAFETY: `chunks2` has visited every chunk, or panicked; what `f` has not taken of it was taken after it, and
    // taking initialises.
    unsafe { out.set_len(total) };
    out
}

/// Memory that nothing has been written to yet.
pub struct Fresh<'a, 'b> {
    rest: &'a mut &'b mut [MaybeUninit<f32>],
}

impl<'b> Fresh<'_, 'b> {
    /// The next `len` values, set to zero.
    pub fn take(&mut self, len: usize) -> &'b mut [f32] {
        assert!(len <= self.rest.len());
        let (next, rest) = std::mem::take(self.rest).split_at_mut(len);
        *self.rest = rest;
        next.fill(MaybeUninit::new(0.));
        // SAFETY: all values have just been written.
        unsafe { &mut *(next as *mut [MaybeUninit<f32>] as *mut [f32]) }
    }

    /// All that is left.
    pub fn take_all(mut self) -> &'b mut [f32] {
        self.take(self.rest.len())
    }
}
