//! Splits a row into its even and odd values.

/// The number of values of each half per step.
const STEP: usize = 8;

type Half = [f32; STEP];

/// Splits a row into the values at even and at odd indices.
#[inline(always)]
pub fn deinterleave(row: &[f32], even: &mut [f32], odd: &mut [f32]) {
    let steps = row.as_chunks::<STEP>().0.as_chunks::<2>().0;
    let halves = even.as_chunks_mut::<STEP>().0.iter_mut().zip(odd.as_chunks_mut::<STEP>().0);
    #[cfg(target_arch = "x86_64")]
    let avx = crate::cpu::isa::avx();
    for (step, (even, odd)) in steps.iter().zip(halves) {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx) = avx {
            [*even, *odd] = split_avx(avx, step);
            continue;
        }
        [*even, *odd] = split(step);
    }
    for i in steps.len() * STEP..even.len() {
        even[i] = row[2 * i];
    }
    for i in steps.len() * STEP..odd.len() {
        odd[i] = row[2 * i + 1];
    }
}

/// Splits the values of a step. Written out, this compiles to vector shuffles.
#[inline(always)]
fn split(&[[a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p]]: &[Half; 2]) -> [Half; 2] {
    [[a, c, e, g, i, k, m, o], [b, d, f, h, j, l, n, p]]
}

/// Does the same as [`split`]: loads quarters so that one round of shuffles, which take every other value, is enough.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn split_avx(avx: pulp::core_arch::x86::Avx, step: &[Half; 2]) -> [Half; 2] {
    let [a, b, c, d] = pulp::cast::<[Half; 2], [std::arch::x86_64::__m128; 4]>(*step);
    let join = |low, high| avx._mm256_insertf128_ps::<1>(avx._mm256_castps128_ps256(low), high);
    let (low, high) = (join(a, c), join(b, d));
    let even = avx._mm256_shuffle_ps::<0b10_00_10_00>(low, high);
    let odd = avx._mm256_shuffle_ps::<0b11_01_11_01>(low, high);
    pulp::cast([even, odd])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_value_goes_to_the_same_half() {
        for len in [0usize, 1, 7, 16, 31, 32, 50] {
            let row: Vec<f32> = (0..len).map(|i| i as f32).collect();
            let (mut even, mut odd) = (vec![-1.; len.div_ceil(2)], vec![-1.; len / 2]);
            deinterleave(&row, &mut even, &mut odd);
            assert!(even.iter().enumerate().all(|(i, &value)| value == (2 * i) as f32), "{even:?}");
            assert!(odd.iter().enumerate().all(|(i, &value)| value == (2 * i + 1) as f32), "{odd:?}");
        }
    }
}
