use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use sha2::{Digest, Sha256};

/// Returns the random numbers (ChaCha with 8 rounds) of a seed, a path and a step.
///
/// They depend on nothing else: not on the machine, nor on the order of calls. The generator's key is the SHA-256 of the
/// three arguments. A path is the name of a parameter or layer, such as `features.0.weight`.
///
/// ```
/// use rand_chacha::rand_core::Rng;
///
/// let first = |path| layers::rng(7, path, 0).next_u64();
/// assert_eq!(first("features.0.weight"), first("features.0.weight"));
/// assert_ne!(first("features.0.weight"), first("features.0.bias"));
/// ```
pub fn rng(seed: u64, path: &str, step: u64) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(step.to_le_bytes());
    hash.update(path.as_bytes());
    ChaCha8Rng::from_seed(hash.finalize().into())
}
