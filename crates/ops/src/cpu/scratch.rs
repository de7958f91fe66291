//! Buffers of a thread, kept from call to call: what a kernel needs for the image at hand.

use std::cell::RefCell;

/// Bytes of a cache line: a vector that straddles two takes twice as long to load.
const LINE: usize = 64;

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Runs `f` on buffers of these lengths; they start at a cache line and hold whatever was there before. `f` may ask for
/// more: they are others.
pub fn with<const N: usize, R>(lens: [usize; N], f: impl FnOnce([&mut [f32]; N]) -> R) -> R {
    let mut taken = BUFFERS.with_borrow_mut(|free| [(); N].map(|()| free.pop().unwrap_or_default()));
    let mut buffers = taken.iter_mut();
    let result = f(lens.map(|len| aligned(buffers.next().expect("N buffers"), len)));
    BUFFERS.with_borrow_mut(|free| free.extend(taken.into_iter().rev()));
    result
}

fn aligned(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    let padded = len + LINE / size_of::<f32>();
    if buffer.len() < padded {
        buffer.resize(padded, 0.);
    }
    let skip = buffer.as_ptr().align_offset(LINE);
    &mut buffer[skip..][..len]
}
