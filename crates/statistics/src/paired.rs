use crate::interval::Interval;

/// How right the answer to each test image is, from 0 to 1, one list per seed. For the classes of images that is 0 or 1.
pub type Hits = Vec<Vec<f32>>;

/// The values of two sides, a and b, that are paired by seed, and by image where each image has a value.
///
/// It holds what the interval of any sum of their means follows from, by an analysis of variance with seeds and images as
/// random effects and one observation per cell (Searle, Casella & McCulloch 1992, "Variance Components"). All mean squares
/// of w₀·a + w₁·b are quadratic in the weights, so those of a and of b and their mean products are enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// The means of a and b.
    pub means: [f64; 2],
    /// For the seeds, the images and both together: the mean square of a, the mean product, and the mean square of b.
    mean_squares: [[f64; 3]; 3],
    /// The degrees of freedom of the seeds, the images and both together.
    df: [f64; 3],
    /// The number of values of a side.
    cells: f64,
}

impl Paired {
    /// Takes the value of each side (0 for a, 1 for b), seed and image from `value`; `None` for fewer than two seeds or
    /// images.
    pub fn by_image([seeds, images]: [usize; 2], value: impl Fn(usize, usize, usize) -> f64) -> Option<Self> {
        if seeds < 2 || images < 2 {
            return None;
        }
        let (s, n) = (seeds as f64, images as f64);
        let of_seeds = [0, 1].map(|side| -> Vec<f64> {
            (0..seeds).map(|seed| (0..images).map(|image| value(side, seed, image)).sum::<f64>() / n).collect()
        });
        let of_images = [0, 1].map(|side| -> Vec<f64> {
            (0..images).map(|image| (0..seeds).map(|seed| value(side, seed, image)).sum::<f64>() / s).collect()
        });
        let means = [0, 1].map(|side| of_seeds[side].iter().sum::<f64>() / s);
        let centred = |values: &[Vec<f64>; 2], i: usize| [0, 1].map(|side| values[side][i] - means[side]);
        let residual = |cell: usize| {
            let (seed, image) = (cell / images, cell % images);
            [0, 1].map(|side| value(side, seed, image) - of_seeds[side][seed] - of_images[side][image] + means[side])
        };
        let df = [s - 1., n - 1., (s - 1.) * (n - 1.)];
        let mean_squares = [
            products(seeds, |seed| centred(&of_seeds, seed)).map(|sum| n * sum / df[0]),
            products(images, |image| centred(&of_images, image)).map(|sum| s * sum / df[1]),
            products(seeds * images, residual).map(|sum| sum / df[2]),
        ];
        Some(Self { means, mean_squares, df, cells: s * n })
    }

    /// Takes one value per seed of each side; `None` for fewer than two seeds.
    pub fn by_seed([a, b]: [&[f64]; 2]) -> Option<Self> {
        let s = a.len() as f64;
        if a.len() < 2 || b.len() != a.len() {
            return None;
        }
        let means = [a, b].map(|values| values.iter().sum::<f64>() / s);
        let of_seeds = products(a.len(), |seed| [a[seed] - means[0], b[seed] - means[1]]).map(|sum| sum / (s - 1.));
        let df = [s - 1., f64::INFINITY, f64::INFINITY];
        Some(Self { means, mean_squares: [of_seeds, [0.; 3], [0.; 3]], df, cells: s })
    }

    /// The interval of the mean of w₀·a + w₁·b; the weights 1 and −1 give the difference.
    ///
    /// The variance of the mean is that of the seeds, of the images and of both together: (MS_seeds + MS_images − MS_both) /
    /// (seeds · images). A mean square of an effect is taken to be at least that of both together, so that an estimated
    /// variance below 0 does not narrow the interval. The degrees of freedom are Satterthwaite's: where seeds dominate they
    /// are hardly more than the seeds less one, and where images dominate they are many.
    pub fn contrast(&self, [w0, w1]: [f64; 2]) -> Interval {
        let mean_square = |[aa, ab, bb]: [f64; 3]| (w0 * w0 * aa + 2. * w0 * w1 * ab + w1 * w1 * bb).max(0.);
        let [ms_seeds, ms_images, ms_both] = self.mean_squares.map(mean_square);
        let (ms_seeds, ms_images) = (ms_seeds.max(ms_both), ms_images.max(ms_both));
        let sum = ms_seeds + ms_images - ms_both;
        let [of_seeds, of_images, of_both] = self.df;
        let spread = ms_seeds.powi(2) / of_seeds + ms_images.powi(2) / of_images + ms_both.powi(2) / of_both;
        let df = if spread > 0. { sum * sum / spread } else { of_seeds };
        Interval::new(w0 * self.means[0] + w1 * self.means[1], (sum / self.cells).sqrt(), df)
    }
}

/// The sums of the squares and products of `count` pairs: of the first with itself, with the second, and of the second.
fn products(count: usize, pair: impl Fn(usize) -> [f64; 2]) -> [f64; 3] {
    (0..count).map(pair).fold([0.; 3], |[aa, ab, bb], [a, b]| [aa + a * a, ab + a * b, bb + b * b])
}

#[cfg(test)]
mod tests {
    use rand_chacha::{
        ChaCha8Rng,
        rand_core::{Rng, SeedableRng},
    };

    use super::*;

    /// The interval of the mean over seeds and images of `a` minus `b`.
    fn difference(a: &Hits, b: &Hits) -> Option<Interval> {
        let value = |side: usize, seed: usize, image: usize| f64::from([a, b][side][seed][image]);
        Paired::by_image([a.len(), a[0].len()], value).map(|paired| paired.contrast([1., -1.]))
    }

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
        let interval = difference(&a, &b).unwrap();
        let known = [0.125, -0.223_113_829_638, 0.473_113_829_638, 8.506_100_449_507, 0.436_816_043_152];
        let ours = [interval.value, interval.low, interval.high, interval.df, interval.p_greater(0.1)];
        ours.into_iter().zip(known).for_each(|(ours, known)| close(ours, known, 1e-9));
    }

    #[test]
    fn exchanging_what_is_compared_changes_signs_alone() {
        let a = hits(&["1101110", "1111110", "1011110"]);
        let b = hits(&["1001010", "1101011", "1111010"]);
        let ab = difference(&a, &b).unwrap();
        let ba = difference(&b, &a).unwrap();
        close(ab.low, -ba.high, 1e-12);
        close(ab.high, -ba.low, 1e-12);
    }

    #[test]
    fn equal_hits_differ_by_nothing_and_one_seed_or_image_has_no_interval() {
        let same = hits(&["1101", "1111"]);
        let nothing = difference(&same, &same).unwrap();
        assert_eq!((nothing.low, nothing.high), (0., 0.));
        let [one_seed, one_image] = [hits(&["1101"]), hits(&["1", "0"])];
        assert_eq!((difference(&one_seed, &one_seed), difference(&one_image, &one_image)), (None, None));
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
                        let interval = difference(&a, &b).unwrap();
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
