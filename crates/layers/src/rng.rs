use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// A stream of random numbers (ChaCha with 8 rounds) that is a pure function of its arguments: the same for the same
/// seed, path and step, on every machine and in every order of calls. The key is the SHA-256 of the three.
pub fn rng(seed: u64, path: &str, step: u64) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(step.to_le_bytes());
    hash.update(path.as_bytes());
    ChaCha8Rng::from_seed(hash.finalize().into())
}
