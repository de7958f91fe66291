use std::ops::Range;

use super::PairProblem;

/// The letters of the residues, in the order of their ids, which begin at 1; the id 0 is padding. They are the 20 amino acids,
/// pyrrolysine (O), selenocysteine (U), an unknown residue (X), asparagine or aspartic acid (B), and glutamine or glutamic
/// acid (Z).
pub const RESIDUES: &str = "AILVFWYNCQMSTDERHKGPOUXBZ";

/// A protein: its name and its sequence of residues.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Protein {
    /// The name, such as a UniProt accession.
    pub id: String,
    /// The ids of the residues, from 1 to 25, in the order of [`RESIDUES`].
    pub residues: Vec<u8>,
    /// The positions of the planted motif among the residues, if one is planted.
    pub motif: Option<Range<usize>>,
}

impl Protein {
    /// Creates a protein from its sequence of letters.
    ///
    /// ```
    /// use datasets::Protein;
    ///
    /// let protein = Protein::new("P1", "MAKE")?;
    /// assert_eq!(protein.residues, [11, 1, 18, 15]);
    /// assert_eq!(protein.padded(6), [0, 0, 11, 1, 18, 15]);
    /// assert_eq!(protein.padded(3), [1, 18, 15]);
    /// assert!(Protein::new("P2", "MAKE*").unwrap_err().to_string().contains("`*`"));
    /// # Ok::<(), datasets::PairProblem>(())
    /// ```
    ///
    /// # Errors
    /// An empty sequence, and a letter that is not one of [`RESIDUES`]; lower-case letters are not.
    pub fn new(id: impl Into<String>, sequence: &str) -> Result<Self, PairProblem> {
        let id = id.into();
        let residue = |(at, letter)| match RESIDUES.find(letter) {
            Some(index) => Ok(index as u8 + 1),
            None => Err(PairProblem::Residue { letter, position: at + 1, protein: id.clone() }),
        };
        let residues = sequence.chars().enumerate().map(residue).collect::<Result<Vec<_>, _>>()?;
        if residues.is_empty() {
            return Err(PairProblem::NoSequence(id));
        }
        Ok(Self { id, residues, motif: None })
    }

    /// Returns the sequence of letters.
    pub fn sequence(&self) -> String {
        let letters = RESIDUES.as_bytes();
        self.residues.iter().map(|&id| char::from(letters[usize::from(id) - 1])).collect()
    }

    /// Returns the ids of `length` positions, as the network takes them: a shorter sequence is padded with 0 in front, and of
    /// a longer one the end remains, as with Keras's `pad_sequences`.
    pub fn padded(&self, length: usize) -> Vec<u32> {
        let kept = &self.residues[self.residues.len().saturating_sub(length)..];
        let padding = std::iter::repeat_n(0, length - kept.len());
        padding.chain(kept.iter().map(|&id| u32::from(id))).collect()
    }

    /// Returns the positions of the planted motif among those of [`padded`](Self::padded); `None` if there is none, or if it is
    /// not wholly among them.
    pub fn padded_motif(&self, length: usize) -> Option<Range<usize>> {
        let motif = self.motif.as_ref()?;
        let place = |position: usize| (position + length).checked_sub(self.residues.len());
        Some(place(motif.start)?..place(motif.end)?)
    }
}
