//! Scratch buffers of a thread, reused from call to call.

use std::cell::RefCell;

/// The number of bytes of a cache line. Vectors that straddle two cache lines take twice as long to load.
const CACHE_LINE: usize = 64;

/// The largest number of values that a thread keeps in free buffers, 128 MiB. What is more is returned to the system after
/// use, so that a single large input does not occupy memory for good.
pub const MOST_KEPT: usize = 1 << 25;

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Calls `f` with buffers of these lengths. They start at a cache line and hold arbitrary values. `f` may call this
/// function again and gets other buffers.
pub fn with<const N: usize, R>(lens: [usize; N], f: impl FnOnce([&mut [f32]; N]) -> R) -> R {
    let mut buffers = take();
    let result = f(aligned_all(&mut buffers, lens));
    keep(buffers);
    result
}

/// Takes free buffers, and new ones where there are no more.
fn take<const N: usize>() -> [Vec<f32>; N] {
    BUFFERS.with_borrow_mut(|free| [(); N].map(|()| free.pop().unwrap_or_default()))
}

/// Puts buffers back to the free ones, except those that do not fit the bound.
fn keep<const N: usize>(buffers: [Vec<f32>; N]) {
    BUFFERS.with_borrow_mut(|free| {
        let mut kept: usize = free.iter().map(Vec::capacity).sum();
        for buffer in buffers.into_iter().rev() {
            let fits = kept + buffer.capacity() <= MOST_KEPT;
            kept += if fits { buffer.capacity() } else { 0 };
            // An empty one in its place keeps the order, so that the next call finds each buffer where it was.
            free.push(if fits { buffer } else { Vec::new() });
        }
    });
}

/// Returns `lens` values of each buffer.
fn aligned_all<const N: usize>(buffers: &mut [Vec<f32>; N], lens: [usize; N]) -> [&mut [f32]; N] {
    let mut lens = lens.into_iter();
    buffers.each_mut().map(|buffer| aligned(buffer, lens.next().expect("as many lengths as buffers")))
}

/// Returns the first `len` values of the buffer that start at a cache line; the buffer grows if need be.
fn aligned(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    let padded = len + CACHE_LINE / size_of::<f32>();
    if buffer.len() < padded {
        buffer.resize(padded, 0.);
    }
    let skip = buffer.as_ptr().align_offset(CACHE_LINE);
    &mut buffer[skip..][..len]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_small_buffers_and_no_more_than_the_bound() {
        let kept = || BUFFERS.with_borrow(|free| free.iter().map(Vec::capacity).sum::<usize>());
        with([1000, 2000], |[a, b]| assert_eq!([a.len(), b.len()], [1000, 2000]));
        let small = kept();
        assert!(small >= 3000);
        for _ in 0..3 {
            with([MOST_KEPT + 1, 100], |_| with([MOST_KEPT / 2; 3], |_| ()));
            assert!(kept() <= MOST_KEPT, "{} values are kept", kept());
        }
    }
}
