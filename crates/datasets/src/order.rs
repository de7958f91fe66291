use crate::random::{shuffle, stream};

/// The order in which the images of a split are visited.
///
/// ```
/// use datasets::Order;
///
/// assert_eq!(Order::Sequential.indices(4), [0, 1, 2, 3]);
/// let mut shuffled = Order::Shuffled { seed: 0, epoch: 2 }.indices(4);
/// shuffled.sort();
/// assert_eq!(shuffled, [0, 1, 2, 3]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Order {
    /// The order of the split.
    Sequential,
    /// A random order that only `seed`, `epoch` and the number of images determine. All variants of an experiment
    /// therefore see the images in the same order, and an interrupted run needs no state to continue.
    Shuffled {
        /// The seed of the run.
        seed: u64,
        /// The epoch, counted from 0.
        epoch: usize,
    },
}

impl Order {
    /// Returns the indices `0..len` in this order.
    pub fn indices(self, len: usize) -> Vec<usize> {
        let mut indices: Vec<usize> = (0..len).collect();
        if let Order::Shuffled { seed, epoch } = self {
            shuffle(&mut indices, &mut stream(b"epoch order", seed, epoch as u64));
        }
        indices
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_order_of_a_seed_stays_what_it_is_for_good() {
        let order = |seed, epoch| Order::Shuffled { seed, epoch }.indices(10);
        // Computed independently of this code, with an implementation of ChaCha8 in Python.
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
    }
}
