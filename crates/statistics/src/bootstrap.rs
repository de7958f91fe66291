use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use statrs::distribution::{Binomial, DiscreteCDF};

use crate::interval::Interval;

/// The number of replicates of a bootstrap.
pub const REPLICATES: usize = 10_000;

/// Whether each test image was classified correctly, one list per seed.
pub type Hits = Vec<Vec<bool>>;

/// The interval of the mean over seeds and images of `a` minus `b`, by a crossed bootstrap (Owen 2007, "The pigeonhole
/// bootstrap").
///
/// Each replicate draws seeds and, independently, images with replacement, each as many as the data have. The ends of the
/// interval are percentiles of the replicates. The p-value is twice the share of replicates on the other side of 0, where
/// the data count as one more replicate (Phipson & Smyth 2010). If seeds and images interact strongly, the interval tends
/// to be too wide rather than too narrow.
///
/// `offsets`, one per seed, are added to the difference of that seed. `a` and `b` have the same seeds, and all lists have
/// the same length. The result is `None` for fewer than two seeds or no image.
pub fn crossed_bootstrap(a: &Hits, b: &Hits, offsets: &[f64], replicates: usize) -> Option<Interval> {
    let (seeds, images) = (offsets.len(), a.first().map_or(0, Vec::len));
    if seeds < 2 || images == 0 {
        return None;
    }
    // An image on which a and b agree for every seed adds 0 to any mean. How many of the others a replicate draws is
    // binomial, and they are a small part of the images.
    let mut differences = Vec::<i32>::new();
    for image in 0..images {
        let column = (0..seeds).map(|seed| i32::from(a[seed][image]) - i32::from(b[seed][image]));
        if column.clone().any(|difference| difference != 0) {
            differences.extend(column);
        }
    }
    let discordant = differences.len() / seeds;
    let drawn = Binomial::new(discordant as f64 / images as f64, images as u64).ok()?;
    let drawn: Vec<f64> = (0..images).map(|count| drawn.cdf(count as u64)).collect();
    let mean = |replicate: u64| {
        let mut random = stream(replicate);
        let uniform = (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        let mut sums = vec![0; seeds];
        for _ in 0..drawn.partition_point(|&below| below <= uniform) {
            let image = index(&mut random, discordant);
            let column = &differences[image * seeds..(image + 1) * seeds];
            sums.iter_mut().zip(column).for_each(|(sum, difference)| *sum += difference);
        }
        let (mut sum, mut offset) = (0., 0.);
        for _ in 0..seeds {
            let seed = index(&mut random, seeds);
            sum += f64::from(sums[seed]);
            offset += offsets[seed];
        }
        (sum / images as f64 + offset) / seeds as f64
    };
    let mut means: Vec<f64> = (0..replicates as u64).into_par_iter().map(mean).collect();
    means.sort_unstable_by(f64::total_cmp);
    let below = means.partition_point(|&mean| mean < 0.);
    let not_above = means.partition_point(|&mean| mean <= 0.);
    let beyond = not_above.min(replicates - below);
    let p = (2. * (beyond + 1) as f64 / (replicates + 1) as f64).min(1.);
    let from_below = |rank: usize| means[rank];
    let from_above = |rank: usize| means[replicates - 1 - rank];
    Some(Interval { low: percentile(from_below, replicates), high: percentile(from_above, replicates), p })
}

/// The random numbers of one replicate, which do not depend on the number of threads. They are those of
/// `layers::rng(0, "crossed bootstrap", replicate)`; this crate does not depend on `layers`.
fn stream(replicate: u64) -> ChaCha8Rng {
    let seed = 0u64.to_le_bytes();
    let hash = Sha256::new().chain_update(seed).chain_update(replicate.to_le_bytes()).chain_update("crossed bootstrap");
    ChaCha8Rng::from_seed(hash.finalize().into())
}

/// Draws an index below `count`. Some indices are favoured, by at most one part in 2³², which is far below the error of a
/// bootstrap. Rejecting draws to avoid it could change published intervals.
fn index(random: &mut ChaCha8Rng, count: usize) -> usize {
    ((u64::from(random.next_u32()) * count as u64) >> 32) as usize
}

/// The 2.5th percentile, interpolated between the two nearest ranks. Ranks are counted from either end, so that exchanging
/// a and b only changes signs.
fn percentile(ranked: impl Fn(usize) -> f64, count: usize) -> f64 {
    let at = 0.025 * (count - 1) as f64;
    let (rank, part) = (at.floor() as usize, at.fract());
    ranked(rank) + part * (ranked((rank + 1).min(count - 1)) - ranked(rank))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(rows: &[&str]) -> Hits {
        rows.iter().map(|row| row.chars().map(|bit| bit == '1').collect()).collect()
    }

    fn close(ours: f64, known: f64, tolerance: f64) {
        assert!((ours - known).abs() <= tolerance, "{ours} is not {known}");
    }

    #[test]
    fn over_seeds_alone_it_is_scipys() {
        // scipy.stats.bootstrap((d,), np.mean, n_resamples=1_000_000, method="percentile", rng=np.random.default_rng(0)):
        // 0.35 to 1.22
        let d = [1.2, 0.4, -0.3, 2.1, 0.9, 1.5, 0.2, 0.8, 1.1, -0.1];
        let same = vec![vec![true]; 10];
        let interval = crossed_bootstrap(&same, &same, &d, REPLICATES).unwrap();
        close(interval.low, 0.35, 0.015);
        close(interval.high, 1.22, 0.015);
    }

    #[test]
    fn over_seeds_and_images_it_is_numpys() {
        // numpy: ws = rng.multinomial(4, [1/4] * 4, 1_000_000), wi = rng.multinomial(12, [1/12] * 12, 1_000_000),
        // ((wi @ (a - b).T) * ws).sum(1) / 48: percentiles 0.10417 and 0.41667 (means are multiples of 1/48), at or
        // below 0: 0.0012
        let a = hits(&["110111011111", "111111001110", "101111011111", "111101011110"]);
        let b = hits(&["100101010111", "110101001010", "101011010101", "010101011010"]);
        let interval = crossed_bootstrap(&a, &b, &[0.; 4], 100_000).unwrap();
        close(interval.low, 0.104_17, 1. / 48. + 1e-5);
        close(interval.high, 0.416_67, 1. / 48. + 1e-5);
        close(interval.p, 0.0024, 0.0006);
    }

    #[test]
    fn exchanging_what_is_compared_changes_signs_alone() {
        let a = hits(&["1101110", "1111110", "1011110"]);
        let b = hits(&["1001010", "1101011", "1111010"]);
        let ab = crossed_bootstrap(&a, &b, &[0.1, 0., 0.02], 999).unwrap();
        let ba = crossed_bootstrap(&b, &a, &[-0.1, 0., -0.02], 999).unwrap();
        assert_eq!((ab.low, ab.high, ab.p), (-ba.high, -ba.low, ba.p));
    }

    #[test]
    fn equal_hits_differ_by_nothing_and_one_seed_has_no_interval() {
        let same = hits(&["1101", "1111"]);
        let nothing = Interval { low: 0., high: 0., p: 1. };
        assert_eq!(crossed_bootstrap(&same, &same, &[0.; 2], 99), Some(nothing));
        assert_eq!(crossed_bootstrap(&same, &same, &[0.], 99), None);
        assert_eq!(crossed_bootstrap(&Vec::new(), &Vec::new(), &[], 99), None);
    }

    /// Two equally good networks: each image is hard or easy for one of them, each seed better or worse.
    fn null(random: &mut ChaCha8Rng, seeds: usize, images: usize) -> [Hits; 2] {
        let mut uniform = || f64::from(random.next_u32()) / 2f64.powi(32);
        [(), ()].map(|()| {
            let ease: Vec<f64> = (0..images).map(|_| if uniform() < 0.8 { 0.95 } else { 0.05 }).collect();
            let skill: Vec<f64> = (0..seeds).map(|_| 0.1 * (uniform() - 0.5)).collect();
            skill.iter().map(|skill| ease.iter().map(|ease| uniform() < ease + skill).collect()).collect()
        })
    }

    #[test]
    fn for_equal_networks_the_interval_covers_0_in_95_of_100_and_p_is_uniform() {
        let random = &mut ChaCha8Rng::seed_from_u64(1);
        let intervals: Vec<Interval> = (0..400)
            .filter_map(|_| {
                let [a, b] = null(random, 10, 200);
                crossed_bootstrap(&a, &b, &[0.; 10], 400)
            })
            .collect();
        let covered = intervals.iter().filter(|interval| interval.low <= 0. && interval.high >= 0.).count();
        assert!((368..=396).contains(&covered), "{covered} of 400");
        for level in [0.1, 0.25, 0.5, 0.75] {
            let share = intervals.iter().filter(|interval| interval.p <= level).count() as f64 / 400.;
            close(share, level, 0.08);
        }
    }
}
