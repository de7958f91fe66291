use crate::interval::Interval;

/// How right the answer to each test image is, from 0 to 1, one list per seed. For the classes of images that is 0 or 1.
pub type Hits = Vec<Vec<f32>>;

/// The interval of the mean over seeds and images of `a` minus `b`, by a two-way analysis of variance with seeds and
/// images as random effects and one observation per cell (Searle, Casella & McCulloch 1992, "Variance Components").
///
/// The variance of the mean is that of the seeds, of the images and of both together: (MS_seeds + MS_images − MS_both) /
/// (seeds · images). A mean square of an effect is taken to be at least that of both together, so that an estimated variance
/// below 0 does not narrow the interval. The degrees of freedom are Satterthwaite's: where seeds dominate they are hardly more
/// than the seeds less one, and where images dominate they are many.
///
/// `offsets`, one per seed, are added to the difference of that seed. `a` and `b` have the same seeds, and all lists have
/// the same length. The result is `None` for fewer than two seeds or images.
pub fn two_way(a: &Hits, b: &Hits, offsets: &[f64]) -> Option<Interval> {
    let (seeds, images) = (offsets.len(), a.first().map_or(0, Vec::len));
    if seeds < 2 || images < 2 {
        return None;
    }
    let (s, n) = (seeds as f64, images as f64);
    let difference = |seed: usize, image: usize| f64::from(a[seed][image]) - f64::from(b[seed][image]);
    let of_seeds: Vec<f64> =
        (0..seeds).map(|seed| (0..images).map(|image| difference(seed, image)).sum::<f64>() / n).collect();
    let of_images: Vec<f64> =
        (0..images).map(|image| (0..seeds).map(|seed| difference(seed, image)).sum::<f64>() / s).collect();
    let plain = of_seeds.iter().sum::<f64>() / s;
    let mean = plain + offsets.iter().sum::<f64>() / s;
    let with_offsets = of_seeds.iter().zip(offsets).map(|(mean, offset)| mean + offset);
    let ms_seeds = n * with_offsets.map(|of_seed| (of_seed - mean).powi(2)).sum::<f64>() / (s - 1.);
    let ms_images = s * of_images.iter().map(|of_image| (of_image - plain).powi(2)).sum::<f64>() / (n - 1.);
    let residual = |seed: usize| {
        let squares =
            (0..images).map(|image| (difference(seed, image) - of_seeds[seed] - of_images[image] + plain).powi(2));
        squares.sum::<f64>()
    };
    let df_both = (s - 1.) * (n - 1.);
    let ms_both = (0..seeds).map(residual).sum::<f64>() / df_both;
    let (ms_seeds, ms_images) = (ms_seeds.max(ms_both), ms_images.max(ms_both));
    let sum = ms_seeds + ms_images - ms_both;
    let spread = ms_seeds.powi(2) / (s - 1.) + ms_images.powi(2) / (n - 1.) + ms_both.powi(2) / df_both;
    let df = if spread > 0. { sum * sum / spread } else { s - 1. };
    Some(Interval::new(mean, (sum / (s * n)).sqrt(), df))
}

#[cfg(test)]
mod tests {
    use rand_chacha::{
        ChaCha8Rng,
        rand_core::{Rng, SeedableRng},
    };

    use super::*;

    fn hits(rows: &[&str]) -> Hits {
        rows.iter().map(|row| row.chars().map(|bit| if bit == '1' { 1. } else { 0. }).collect()).collect()
    }

    fn close(ours: f64, known: f64, tolerance: f64) {
        assert!((ours - known).abs() <= tolerance, "{ours} is not {known}");
    }

    #[test]
    fn the_interval_follows_from_the_mean_squares_of_statsmodels() {
        // anova_lm(ols("d ~ C(seed) + C(image)", data).fit()) of statsmodels gives the mean squares 0.75, 1.0333 and 0.29444.
        // The rest follows by the formulas above, with the distribution of scipy.stats.t.
        let a = hits(&["0111110011000101", "1111100111111111", "1001010010010111", "1111110010110101"]);
        let b = hits(&["1010101110101101", "1010101010101101", "1110011110000101", "1010001100000101"]);
        let interval = two_way(&a, &b, &[0.; 4]).unwrap();
        let known = [0.125, -0.223_113_829_638, 0.473_113_829_638, 8.506_100_449_507, 0.436_816_043_152];
        let ours = [interval.value, interval.low, interval.high, interval.df, interval.p_greater(0.1)];
        ours.into_iter().zip(known).for_each(|(ours, known)| close(ours, known, 1e-9));
        let moved = two_way(&a, &b, &[0.5; 4]).unwrap();
        close(moved.low, interval.low + 0.5, 1e-12);
    }

    #[test]
    fn exchanging_what_is_compared_changes_signs_alone() {
        let a = hits(&["1101110", "1111110", "1011110"]);
        let b = hits(&["1001010", "1101011", "1111010"]);
        let ab = two_way(&a, &b, &[0.1, 0., 0.02]).unwrap();
        let ba = two_way(&b, &a, &[-0.1, 0., -0.02]).unwrap();
        close(ab.low, -ba.high, 1e-12);
        close(ab.high, -ba.low, 1e-12);
    }

    #[test]
    fn equal_hits_differ_by_nothing_and_one_seed_or_image_has_no_interval() {
        let same = hits(&["1101", "1111"]);
        let nothing = two_way(&same, &same, &[0.; 2]).unwrap();
        assert_eq!((nothing.low, nothing.high), (0., 0.));
        assert_eq!(two_way(&same, &same, &[0.]), None);
        let one = hits(&["1", "0"]);
        assert_eq!(two_way(&one, &one, &[0.; 2]), None);
    }

    /// Draws whether two equally good networks classify images correctly. A share `opposed` of the images is easy for one of
    /// them and hard for the other; the skill of each network varies with the seed by up to `skill` in either direction.
    fn null(random: &mut ChaCha8Rng, [seeds, images]: [usize; 2], skill: f64, opposed: f64) -> [Hits; 2] {
        let mut uniform = || f64::from(random.next_u32()) / 2f64.powi(32);
        [(), ()].map(|()| {
            let ease: Vec<f64> = (0..images).map(|_| if uniform() < opposed { 0.02 } else { 0.9 }).collect();
            let skills: Vec<f64> = (0..seeds).map(|_| skill * (2. * uniform() - 1.)).collect();
            let mut hit = |ease: f64| if uniform() < ease { 1. } else { 0. };
            skills.iter().map(|skill| ease.iter().map(|ease| hit(ease + skill)).collect()).collect()
        })
    }

    #[test]
    fn the_interval_covers_in_93_to_97_of_100_whether_seeds_or_images_dominate() {
        let random = &mut ChaCha8Rng::seed_from_u64(1);
        for (what, skill, opposed) in [("seeds", 0.1, 0.), ("images", 0., 0.3)] {
            for seeds in [3, 5, 10] {
                let trials = 2000;
                let covered = (0..trials)
                    .filter(|_| {
                        let [a, b] = null(random, [seeds, 200], skill, opposed);
                        let interval = two_way(&a, &b, &vec![0.; seeds]).unwrap();
                        interval.low <= 0. && interval.high >= 0.
                    })
                    .count();
                let coverage = covered as f64 / f64::from(trials);
                eprintln!("{what} dominate, {seeds} seeds: {coverage:.3}");
                assert!((0.93..=0.97).contains(&coverage), "{what} dominate, {seeds} seeds: {coverage}");
            }
        }
    }
}
