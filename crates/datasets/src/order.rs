use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// The order in which the images of a split are visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they lie in the split.
    Sequential,
    /// Every image once, in an order that depends on `seed`, `epoch` and the number of images alone: every variant of
    /// an experiment sees the same images in the same order, and a resumed run needs no state to go on.
    Shuffled { seed: u64, epoch: usize },
}

impl Order {
    /// The indices `0..len` in this order.
    pub fn indices(self, len: usize) -> Vec<usize> {
        let mut indices: Vec<usize> = (0..len).collect();
        if let Order::Shuffled { seed, epoch } = self {
            shuffle(&mut indices, &mut stream(b"epoch order", seed, epoch as u64));
        }
        indices
    }
}

/// A random stream for one purpose: ChaCha8 with the key (seed, index, purpose), so that two purposes of one seed share
/// nothing. `purpose` has at most 16 bytes.
pub(crate) fn stream(purpose: &[u8], seed: u64, index: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&index.to_le_bytes());
    key[16..16 + purpose.len()].copy_from_slice(purpose);
    ChaCha8Rng::from_seed(key)
}

/// Fisher–Yates from the back, written out here because the order must outlive the versions of a library.
pub(crate) fn shuffle(items: &mut [usize], rng: &mut ChaCha8Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(last as u64 + 1, rng) as usize);
    }
}

/// A uniform draw from `0..bound`, for `bound > 0`: the upper half of a 64 × 64 bit product, where the draws that would
/// favour some results are rejected (Lemire 2019, "Fast Random Integer Generation in an Interval").
pub(crate) fn below(bound: u64, rng: &mut ChaCha8Rng) -> u64 {
    let threshold = bound.wrapping_neg() % bound; // 2^64 mod bound
    loop {
        let product = u128::from(rng.next_u64()) * u128::from(bound);
        if product as u64 >= threshold {
            return (product >> 64) as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_order_of_a_seed_stays_what_it_is_for_good() {
        let order = |seed, epoch| Order::Shuffled { seed, epoch }.indices(10);
        // Computed apart from this code: ChaCha8 from its definition, in Python.
        assert_eq!(order(0, 0), [0, 5, 4, 7, 6, 2, 3, 1, 9, 8]);
        assert_eq!(order(7, 3), [0, 4, 3, 7, 6, 1, 2, 9, 5, 8]);
    }

    #[test]
    fn every_permutation_of_four_is_about_equally_likely() {
        let mut counts = std::collections::HashMap::new();
        for seed in 0..24_000 {
            *counts.entry(Order::Shuffled { seed, epoch: 0 }.indices(4)).or_insert(0u32) += 1;
        }
        assert_eq!(counts.len(), 24);
        // Expected 1,000 each, standard deviation 31.
        assert!(counts.values().all(|count| (850..1150).contains(count)), "{counts:?}");
    }

    proptest! {
        #[test]
        fn every_index_occurs_exactly_once(len in 0usize..300, seed: u64, epoch in 0usize..100) {
            let mut indices = Order::Shuffled { seed, epoch }.indices(len);
            indices.sort_unstable();
            prop_assert_eq!(indices, (0..len).collect::<Vec<_>>());
        }

        #[test]
        fn the_order_changes_with_the_seed_and_with_the_epoch(seed: u64, epoch in 0usize..100) {
            let order = Order::Shuffled { seed, epoch }.indices(100);
            prop_assert_eq!(&order, &Order::Shuffled { seed, epoch }.indices(100));
            prop_assert_ne!(&order, &Order::Shuffled { seed: seed ^ 1, epoch }.indices(100));
            prop_assert_ne!(&order, &Order::Shuffled { seed, epoch: epoch + 1 }.indices(100));
        }

        #[test]
        fn a_draw_stays_below_its_bound(bound in 1u64.., seed: u64) {
            prop_assert!(below(bound, &mut stream(b"test", seed, 0)) < bound);
        }
    }
}
