//! Sums with explicit lanes: they vectorise although the compiler may not reorder floating-point additions, and have
//! the same bits on every instruction set.

/// The number of partial sums. Shorter slices are not worth them.
pub const LANES: usize = 16;

/// Computes `Σ f(values at one index of each slice)` over slices of the same length.
///
/// To sum two functions of the same slices, call this twice: a loop with two sums does not vectorise, and in the second
/// pass the slices are in the cache.
#[inline(always)]
pub fn sum_of<const SLICES: usize>(slices: [&[f32]; SLICES], f: impl Fn([f32; SLICES]) -> f32) -> f32 {
    let len = slices[0].len();
    let mut lanes = [0f32; LANES];
    // Loops rather than `map`, whose closures may be compiled without vector instructions.
    let mut first = 0;
    while first + LANES <= len {
        let mut blocks = [[0f32; LANES]; SLICES];
        for (block, slice) in blocks.iter_mut().zip(slices) {
            block.copy_from_slice(&slice[first..][..LANES]);
        }
        for lane in 0..LANES {
            let mut values = [0f32; SLICES];
            for slice in 0..SLICES {
                values[slice] = blocks[slice][lane];
            }
            lanes[lane] += f(values);
        }
        first += LANES;
    }
    for i in first..len {
        let mut values = [0f32; SLICES];
        for (value, slice) in values.iter_mut().zip(slices) {
            *value = slice[i];
        }
        lanes[i - first] += f(values);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] += lanes[lane + width];
        }
        width /= 2;
    }
    lanes[0]
}

/// Computes `Σ f(a)` over the values of a slice.
#[inline(always)]
pub fn sum(a: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    sum_of([a], |[a]| f(a))
}
