//! Sums with explicit lanes: vectorised, and the same to the bit on every instruction set.

/// Sums are at least this long before their lanes are worth it.
pub const LANES: usize = 16;

/// Several sums over slices of the same length: `Σ f(values at one place of each)`.
#[inline(always)]
pub fn sums<const SLICES: usize, const SUMS: usize>(
    slices: [&[f32]; SLICES],
    f: impl Fn([f32; SLICES]) -> [f32; SUMS],
) -> [f32; SUMS] {
    let len = slices[0].len();
    let mut lanes = [[0f32; LANES]; SUMS];
    // Loops, because the closures that `map` wants would be compiled without vector instructions.
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
            let terms = f(values);
            for sum in 0..SUMS {
                lanes[sum][lane] += terms[sum];
            }
        }
        first += LANES;
    }
    for i in first..len {
        let mut values = [0f32; SLICES];
        for (value, slice) in values.iter_mut().zip(slices) {
            *value = slice[i];
        }
        let terms = f(values);
        for sum in 0..SUMS {
            lanes[sum][i - first] += terms[sum];
        }
    }
    let mut totals = [0f32; SUMS];
    for (total, lanes) in totals.iter_mut().zip(&mut lanes) {
        let mut width = LANES / 2;
        while width > 0 {
            for lane in 0..width {
                lanes[lane] += lanes[lane + width];
            }
            width /= 2;
        }
        *total = lanes[0];
    }
    totals
}

/// Σ f(a) over a slice.
#[inline(always)]
pub fn sum(a: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    sums([a], |[a]| [f(a)])[0]
}
