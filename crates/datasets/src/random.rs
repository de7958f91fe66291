//! Seeded random numbers. Committed results depend on these streams and draws, so they do not come from a library whose
//! algorithms may change between versions.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// Returns the random stream of one purpose: ChaCha8 with the key (seed, index, purpose), so that the streams of two
/// purposes are independent. `purpose` has at most 16 bytes.
///
/// This is not `layers::rng`, which hashes its key: the shuffled orders and splits of all results are those of this
/// key.
pub fn stream(purpose: &[u8], seed: u64, index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&index.to_le_bytes());
    key[16..16 + purpose.len()].copy_from_slice(purpose);
    ChaCha8Rng::from_seed(key)
}

/// Shuffles by the algorithm of Fisher and Yates, starting from the last item.
pub fn shuffle(items: &mut [usize], rng: &mut ChaCha8Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(last + 1, rng));
    }
}

/// Draws uniformly from `0..bound`, where `bound` is positive: the upper half of a 64 × 64 bit product, after rejecting
/// those draws that would favour some results (Lemire 2019, "Fast Random Integer Generation in an Interval").
pub fn below(bound: usize, rng: &mut ChaCha8Rng) -> usize {
    let bound = bound as u64;
    let threshold = bound.wrapping_neg() % bound; // 2^64 mod bound
    loop {
        let product = u128::from(rng.next_u64()) * u128::from(bound);
        if product as u64 >= threshold {
            return (product >> 64) as usize;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_draw_stays_below_its_bound(bound in 1usize.., seed: u64) {
            prop_assert!(below(bound, &mut stream(b"test", seed, 0)) < bound);
        }
    }
}
