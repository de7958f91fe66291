//! Parts of a plan, for several machines.

use std::{cmp::Reverse, collections::BinaryHeap};

/// Part `index` (from 1) of `count` parts of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    pub index: usize,
    pub count: usize,
}

/// Distributes work among `count` shards so that all have about the same share, and returns the shard (from 1) of each
/// piece. The largest piece comes first, and each goes to the shard that has the least (Graham 1969), so that the largest
/// share is at most 4/3 of the best possible one. The same costs always give the same shards.
pub fn balance(costs: &[u64], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_by_key(|&piece| Reverse(costs[piece]));
    // Shards that never get a piece need no place in the heap.
    let mut loads: BinaryHeap<_> = (1..=count.min(costs.len())).map(|shard| Reverse((0u128, shard))).collect();
    let mut shards = vec![1; costs.len()];
    for piece in order {
        if let Some(Reverse((load, shard))) = loads.pop() {
            shards[piece] = shard;
            loads.push(Reverse((load + u128::from(costs[piece]), shard)));
        }
    }
    shards
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_large_run_has_a_shard_to_itself() {
        assert_eq!(balance(&[1, 1, 6, 2, 2], 2), [2, 2, 1, 2, 2]);
        assert_eq!(balance(&[5, 5, 5], 7), [1, 2, 3]);
        assert_eq!(balance(&[], 3), [0; 0]);
    }

    proptest! {
        #[test]
        fn every_piece_is_in_one_shard_and_no_shard_has_much_more_than_its_share(
            costs in prop::collection::vec(1u64..1_000, 1..60), count in 1usize..9,
        ) {
            let shards = balance(&costs, count);
            prop_assert!(shards.iter().all(|shard| (1..=count).contains(shard)));
            let load = |shard| (0..costs.len()).filter(|&i| shards[i] == shard).map(|i| costs[i]).sum::<u64>();
            let (total, largest) = (costs.iter().sum::<u64>(), costs.iter().max().unwrap());
            let most = (1..=count).map(load).max().unwrap();
            prop_assert!(most <= total.div_ceil(count as u64) + largest);
        }
    }
}
