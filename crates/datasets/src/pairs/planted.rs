//! Synthetic pairs in which a motif of residues decides.

use std::ops::RangeInclusive;

use rand_chacha::ChaCha8Rng;

use super::{Drug, FINGERPRINT_BITS, Interaction, PairSplit, Pairs, Protein};
use crate::{
    error::DatasetError,
    random::{below, shuffle, stream},
};

/// The amino acids that random sequences consist of: the first 20 of [`RESIDUES`](crate::RESIDUES).
const AMINO_ACIDS: usize = 20;
/// The bits that all drugs of one motif have.
const PATTERN_BITS: usize = 16;
/// The further bits of each drug.
const NOISE_BITS: usize = 32;
/// Shorter motifs would occur in random sequences by chance.
const LEAST_MOTIF: usize = 6;
/// The longest sequence, so that a typo does not exhaust the memory.
const MAX_LENGTH: usize = 100_000;
/// The largest number of pairs of a split, for the same reason.
const MAX_PAIRS: usize = 1_000_000;

/// A generator of synthetic protein–drug pairs whose answer is known by construction, and so is the place in the protein
/// that it depends on.
///
/// There are some motifs, short sequences of residues, and for each of them a pattern of bits. A protein is a random sequence
/// that holds one motif at a random position; a drug has the pattern of one motif and further random bits. The drug binds
/// the protein if both have the same motif, as every second pair does. Neither protein nor drug alone tells the answer.
///
/// ```
/// use datasets::{PairSplit, PlantedMotifs};
///
/// let pairs = PlantedMotifs::new(7).pairs(PairSplit::Training, 100)?;
/// assert_eq!(pairs.interactions.iter().filter(|pair| pair.binds).count(), 50);
/// let protein = pairs.protein(0);
/// let motif = protein.motif.clone().expect("every protein has one");
/// assert!((50..=2500).contains(&protein.residues.len()) && motif.end <= protein.residues.len());
/// # Ok::<(), datasets::DatasetError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlantedMotifs {
    seed: u64,
    motifs: usize,
    motif_length: usize,
    lengths: RangeInclusive<usize>,
}

impl PlantedMotifs {
    /// Creates a generator of four motifs of 12 residues in sequences of 50 to 2,500. Everything it draws depends on `seed`
    /// only; another seed has other motifs.
    pub fn new(seed: u64) -> Self {
        Self { seed, motifs: 4, motif_length: 12, lengths: 50..=2500 }
    }

    /// Sets the number of motifs and their length. With more motifs, the task needs more pairs.
    pub fn motifs(self, motifs: usize, motif_length: usize) -> Self {
        Self { motifs, motif_length, ..self }
    }

    /// Sets the lengths of the sequences, each of which is equally likely. Motifs and patterns do not depend on them.
    pub fn lengths(self, lengths: RangeInclusive<usize>) -> Self {
        Self { lengths, ..self }
    }

    /// Makes the first `count` pairs of a split. Each has a protein and a drug of its own.
    ///
    /// # Errors
    /// [`DatasetError::InvalidPlanted`]: fewer than two motifs, or more than there are patterns without common bits, motifs
    /// shorter than 6 residues or longer than the shortest sequence, and sizes that no memory holds.
    pub fn pairs(&self, split: PairSplit, count: usize) -> Result<Pairs, DatasetError> {
        self.check(count)?;
        let motifs: Vec<Vec<u8>> = (0..self.motifs).map(|motif| self.motif(motif)).collect();
        let patterns = self.patterns();
        let (mut proteins, mut drugs, mut interactions) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..count {
            // Every split has its own streams, and every pair its own stream.
            let rng = &mut stream(b"planted pair", self.seed, (split as u64) << 32 | index as u64);
            let motif = below(self.motifs, rng);
            let binds = index % 2 == 0;
            let other = (motif + 1 + below(self.motifs - 1, rng)) % self.motifs;
            proteins.push(self.protein(index, &motifs, motif, rng));
            drugs.push(drug(index, &patterns[if binds { motif } else { other }], rng));
            interactions.push(Interaction { protein: index, drug: index, binds });
        }
        Ok(Pairs { proteins: proteins.into(), drugs: drugs.into(), interactions, left_out: 0 })
    }

    fn check(&self, count: usize) -> Result<(), DatasetError> {
        let (shortest, longest) = (*self.lengths.start(), *self.lengths.end());
        let most = FINGERPRINT_BITS / PATTERN_BITS;
        let reason = if !(2..=most).contains(&self.motifs) {
            format!("{} motifs; there must be 2 to {most}", self.motifs)
        } else if self.motif_length < LEAST_MOTIF || self.motif_length > shortest {
            format!("motifs of {} residues; they must have {LEAST_MOTIF} to {shortest}", self.motif_length)
        } else if shortest > longest || longest > MAX_LENGTH {
            format!("sequences of {shortest} to {longest} residues; the numbers must ascend, up to {MAX_LENGTH}")
        } else if count == 0 || count > MAX_PAIRS {
            format!("{count} pairs; there must be 1 to {MAX_PAIRS}")
        } else {
            return Ok(());
        };
        Err(DatasetError::InvalidPlanted(reason))
    }

    fn motif(&self, index: usize) -> Vec<u8> {
        residues(self.motif_length, &mut stream(b"planted motif", self.seed, index as u64))
    }

    /// Draws the bits of each motif's pattern; no bit belongs to two.
    fn patterns(&self) -> Vec<Vec<usize>> {
        let mut bits: Vec<usize> = (0..FINGERPRINT_BITS).collect();
        shuffle(&mut bits, &mut stream(b"planted bits", self.seed, 0));
        bits.chunks_exact(PATTERN_BITS).take(self.motifs).map(<[usize]>::to_vec).collect()
    }

    fn protein(&self, index: usize, motifs: &[Vec<u8>], motif: usize, rng: &mut ChaCha8Rng) -> Protein {
        let length = self.lengths.start() + below(self.lengths.end() - self.lengths.start() + 1, rng);
        let mut residues = residues(length, rng);
        let start = below(length - self.motif_length + 1, rng);
        let place = start..start + self.motif_length;
        residues[place.clone()].copy_from_slice(&motifs[motif]);
        Protein { id: format!("P{index}"), residues, motif: Some(place) }
    }
}

/// Draws random amino acids.
fn residues(count: usize, rng: &mut ChaCha8Rng) -> Vec<u8> {
    (0..count).map(|_| below(AMINO_ACIDS, rng) as u8 + 1).collect()
}

fn drug(index: usize, pattern: &[usize], rng: &mut ChaCha8Rng) -> Drug {
    let mut fingerprint = vec![0; FINGERPRINT_BITS];
    pattern.iter().for_each(|&bit| fingerprint[bit] = 1);
    (0..NOISE_BITS).for_each(|_| fingerprint[below(FINGERPRINT_BITS, rng)] = 1);
    Drug { id: format!("C{index}"), fingerprint }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(haystack: &[u8], needle: &[u8]) -> Vec<usize> {
        (0..=haystack.len() - needle.len()).filter(|&at| haystack[at..].starts_with(needle)).collect()
    }

    #[test]
    fn a_pair_binds_if_and_only_if_the_protein_holds_the_motif_of_the_drugs_pattern() {
        let generator = PlantedMotifs::new(3).motifs(5, 8).lengths(8..=120);
        let pairs = generator.pairs(PairSplit::Test, 200).unwrap();
        let motifs: Vec<Vec<u8>> = (0..5).map(|motif| generator.motif(motif)).collect();
        let patterns = generator.patterns();
        for (index, interaction) in pairs.interactions.iter().enumerate() {
            let (protein, drug) = (pairs.protein(index), pairs.drug(index));
            let of_drug: Vec<usize> =
                (0..5).filter(|&motif| patterns[motif].iter().all(|&bit| drug.fingerprint[bit] == 1)).collect();
            let held: Vec<usize> = (0..5).filter(|&m| !positions(&protein.residues, &motifs[m]).is_empty()).collect();
            assert_eq!((of_drug.len(), held.len()), (1, 1), "pair {index}");
            assert_eq!(interaction.binds, of_drug == held, "pair {index}");
            let place = protein.motif.clone().unwrap();
            assert_eq!(positions(&protein.residues, &motifs[held[0]]), [place.start]);
        }
    }

    #[test]
    fn places_lengths_and_motifs_are_spread_over_what_is_possible() {
        let pairs = PlantedMotifs::new(0).lengths(50..=90).pairs(PairSplit::Training, 1000).unwrap();
        for length in [50, 90] {
            assert!(pairs.proteins.iter().any(|protein| protein.residues.len() == length), "{length}");
        }
        let place = |protein: &Protein| protein.motif.clone().unwrap();
        assert!(pairs.proteins.iter().any(|protein| place(protein).start == 0));
        assert!(pairs.proteins.iter().any(|protein| place(protein).end == protein.residues.len()));
    }

    #[test]
    fn a_pair_depends_on_seed_split_and_index_only_and_motifs_on_the_seed() {
        let pairs = |seed, split, count| PlantedMotifs::new(seed).pairs(split, count).unwrap();
        let (few, many) = (pairs(0, PairSplit::Training, 5), pairs(0, PairSplit::Training, 20));
        assert_eq!(few.proteins[..], many.proteins[..5]);
        assert_ne!(few, pairs(0, PairSplit::Validation, 5));
        assert_ne!(few, pairs(1, PairSplit::Training, 5));
        let longer = PlantedMotifs::new(0).lengths(3000..=4000);
        assert_eq!(longer.motif(2), PlantedMotifs::new(0).motif(2));
    }

    #[test]
    fn impossible_settings_are_errors_with_the_numbers() {
        let error =
            |generator: PlantedMotifs, count| generator.pairs(PairSplit::Training, count).unwrap_err().to_string();
        let new = || PlantedMotifs::new(0);
        assert!(error(new().motifs(1, 12), 1).contains("2 to 128"));
        assert!(error(new().motifs(2, 5), 1).contains("6 to 50"));
        assert!(error(new().lengths(11..=20), 1).contains("6 to 11"));
        assert!(error(new().lengths(60..=usize::MAX), 1).contains("100000"));
        assert!(error(new(), 0).contains("1 to 1000000"));
    }
}
