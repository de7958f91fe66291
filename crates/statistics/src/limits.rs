/// The number of seeds that a test needs. Results over fewer seeds are descriptive.
pub const SEEDS_FOR_A_TEST: usize = 10;

/// The number of comparisons of a suite that may be primary.
pub const MOST_PRIMARY: usize = 3;

/// The level of the one-sided tests, half of what a 95 % confidence interval leaves out.
pub const LEVEL: f64 = 0.025;
