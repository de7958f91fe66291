use crate::printable::printable;

/// A mistake in a row of a file of proteins, drugs or their interactions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PairProblem {
    /// A column that the file lacks.
    #[error("there is no column `{}`; the file has {}", printable(column), printable(available))]
    NoColumn {
        /// The missing column.
        column: String,
        /// The columns of the file, separated by commas.
        available: String,
    },
    /// Two columns of the same name.
    #[error("two columns are named `{0}`; there must be one")]
    TwoColumns(String),
    /// A file without rows.
    #[error("there are no rows below the header; at least one is needed")]
    NoRows,
    /// A file whose rows were all left out.
    #[error("none of the {0} rows has both a protein and a compound of the other two files")]
    NoneLeft(usize),
    /// An id without letters.
    #[error("`{0}` is empty; every row needs one")]
    NoId(String),
    /// An id that another row has, too.
    #[error("{} has the row of line {first} already; each needs exactly one", printable(id))]
    Duplicate {
        /// The id.
        id: String,
        /// The line of the other row.
        first: u64,
    },
    /// An id that the file of proteins or drugs lacks.
    #[error("there is no {kind} {} in {file}; add it there, or skip such pairs", printable(id))]
    Unknown {
        /// "protein" or "compound".
        kind: &'static str,
        /// The id.
        id: String,
        /// The file that lacks it.
        file: String,
    },
    /// A letter that is not a residue.
    #[error("`{}` at position {position} of {} is not a residue; possible are {}", printable(&letter.to_string()), printable(protein), super::RESIDUES)]
    Residue {
        /// The letter.
        letter: char,
        /// Its position in the sequence, counted from 1.
        position: usize,
        /// The id of the protein.
        protein: String,
    },
    /// A protein without residues.
    #[error("{} has no sequence; at least one residue is needed", printable(.0))]
    NoSequence(String),
    /// A bit that is neither 0 nor 1.
    #[error("bit {bit} of {} is `{}`; bits are 0 or 1, with tabs between them", printable(drug), printable(text))]
    Bit {
        /// The number of the bit, counted from 1.
        bit: usize,
        /// The text in its place.
        text: String,
        /// The id of the drug.
        drug: String,
    },
    /// A fingerprint of another length than that of the first drug.
    #[error(
        "the fingerprint of {} has {bits} bits, but the first one {expected}; all must be equally long",
        printable(drug)
    )]
    Ragged {
        /// The id of the drug.
        drug: String,
        /// The number of its bits.
        bits: usize,
        /// The number of bits of the first drug.
        expected: usize,
    },
    /// A label that is neither 0 nor 1.
    #[error("the label is `{}`; it must be 0 or 1", printable(.0))]
    Label(String),
}
