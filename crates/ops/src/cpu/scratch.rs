//! Scratch buffers of a thread, reused from call to call.

use std::cell::RefCell;

/// The number of bytes of a cache line. Vectors that straddle two cache lines take twice as long to load.
const CACHE_LINE: usize = 64;

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Calls `f` with buffers of these lengths. They start at a cache line and hold arbitrary values. `f` may call this
/// function again and gets other buffers.
pub fn with<const N: usize, R>(lens: [usize; N], f: impl FnOnce([&mut [f32]; N]) -> R) -> R {
    let mut taken = BUFFERS.with_borrow_mut(|free| [(); N].map(|()| free.pop().unwrap_or_default()));
    let mut buffers = taken.iter_mut();
    let result = f(lens.map(|len| aligned(buffers.next().expect("N buffers"), len)));
    BUFFERS.with_borrow_mut(|free| free.extend(taken.into_iter().rev()));
    result
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
