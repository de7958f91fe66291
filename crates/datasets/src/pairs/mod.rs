//! Pairs of a protein and a drug, read from files or made with planted motifs.

mod batches;
mod drug;
mod planted;
mod problem;
mod protein;
mod read;
mod table;

pub use drug::{Drug, FINGERPRINT_BITS};
pub use planted::PlantedMotifs;
pub use problem::PairProblem;
pub use protein::{Protein, RESIDUES};
pub(crate) use read::read_parts;
pub use read::{PairOptions, PairSplit};

use std::sync::Arc;

use sha2::{Digest, Sha256};

/// Protein–drug pairs, each with the answer to the question whether the drug binds the protein.
///
/// [`Pairs::load`] reads them in the file format of the authors of DeepConv-DTI (Lee et al. 2019), and [`PlantedMotifs`] makes
/// synthetic ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Pairs {
    /// The proteins, each once.
    pub proteins: Arc<[Protein]>,
    /// The drugs, each once. All fingerprints are of the same length.
    pub drugs: Arc<[Drug]>,
    /// The pairs.
    pub interactions: Vec<Interaction>,
    /// The number of pairs in the file that were left out; see [`PairOptions::skip_unknown`].
    pub left_out: usize,
}

/// A protein and a drug, by their positions in [`Pairs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interaction {
    /// The position of the protein in [`Pairs::proteins`].
    pub protein: usize,
    /// The position of the drug in [`Pairs::drugs`].
    pub drug: usize,
    /// True if the drug binds the protein.
    pub binds: bool,
}

impl Pairs {
    /// Returns the number of pairs.
    pub fn len(&self) -> usize {
        self.interactions.len()
    }

    /// Returns whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.interactions.is_empty()
    }

    /// Returns the number of bits of a fingerprint; 0 without drugs.
    pub fn fingerprint_bits(&self) -> usize {
        self.drugs.first().map_or(0, |drug| drug.fingerprint.len())
    }

    /// Returns the pairs at `indices`, in their order.
    ///
    /// # Panics
    /// If there is no such pair.
    pub fn subset(&self, indices: &[usize]) -> Self {
        let interactions = indices.iter().map(|&index| self.interactions[index]).collect();
        Self { interactions, ..self.clone() }
    }

    /// Returns whether the drug binds the protein, for each pair.
    pub fn labels(&self) -> Vec<bool> {
        self.interactions.iter().map(|interaction| interaction.binds).collect()
    }

    /// Returns a hash of the sequences, fingerprints and labels of all pairs, 16 hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for (index, interaction) in self.interactions.iter().enumerate() {
            let (residues, bits) = (&self.protein(index).residues, &self.drug(index).fingerprint);
            hash.update(format!("{} {} {} ", residues.len(), bits.len(), interaction.binds));
            hash.update(residues);
            hash.update(bits);
        }
        hex::encode(hash.finalize())[..16].into()
    }

    /// Returns the protein of the pair at `index`.
    ///
    /// # Panics
    /// If there is no such pair.
    pub fn protein(&self, index: usize) -> &Protein {
        &self.proteins[self.interactions[index].protein]
    }

    /// Returns the drug of the pair at `index`.
    ///
    /// # Panics
    /// If there is no such pair.
    pub fn drug(&self, index: usize) -> &Drug {
        &self.drugs[self.interactions[index].drug]
    }
}
