//! Reads the file format of the authors of DeepConv-DTI.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use super::{Drug, Interaction, PairProblem, Pairs, Protein, table::Table};
use crate::{error::DatasetError, printable::shown};

/// How pairs are read.
///
/// ```
/// use datasets::PairOptions;
///
/// let options = PairOptions::default().fingerprint("morgan_fp_r3").skip_unknown(true);
/// assert_ne!(options, PairOptions::default());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PairOptions {
    /// The column of the drugs' fingerprints, by default that of the authors: `morgan_fp_r2`, Morgan with radius 2.
    pub fingerprint: String,
    /// True to leave out pairs whose protein or drug the other files lack, as the authors' script does without a word. By
    /// default such a pair is an error.
    pub skip_unknown: bool,
}

impl Default for PairOptions {
    fn default() -> Self {
        Self { fingerprint: "morgan_fp_r2".into(), skip_unknown: false }
    }
}

impl PairOptions {
    /// Sets the column of the fingerprints.
    pub fn fingerprint(self, column: impl Into<String>) -> Self {
        Self { fingerprint: column.into(), ..self }
    }

    /// Sets whether pairs of unknown proteins or drugs are left out.
    pub fn skip_unknown(self, skip_unknown: bool) -> Self {
        Self { skip_unknown, ..self }
    }
}

/// A part of the data, with a folder of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairSplit {
    /// The pairs to train on, in `training_dataset`.
    Training,
    /// The pairs that choose, in `validation_dataset`.
    Validation,
    /// The pairs that are read once, in `test_dataset`.
    Test,
}

impl PairSplit {
    /// Returns the first word of the names of the folder and its files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

impl Pairs {
    /// Reads one part of the data from a folder in the authors' layout.
    ///
    /// The folder `training_dataset`, for example, holds three CSV files, of which these columns are read:
    ///
    /// | file | columns |
    /// | --- | --- |
    /// | `training_dti.csv` | `Protein_ID`, `Compound_ID`, `Label`: 1 if the drug binds the protein, else 0 |
    /// | `training_protein.csv` | `Protein_ID`, `Sequence`: the letters of [`RESIDUES`](crate::RESIDUES) |
    /// | `training_compound.csv` | `Compound_ID` and the fingerprint, whose bits have tabs between them |
    ///
    /// Drugs cannot be given as SMILES: to compute RDKit's Morgan fingerprints takes RDKit itself, a C++ library that its Rust
    /// bindings expect to be installed.
    ///
    /// # Errors
    /// A file that is missing or is not CSV, and every mistake that [`PairProblem`] names; the message says in which line.
    pub fn load(folder: &Path, split: PairSplit, options: &PairOptions) -> Result<Self, DatasetError> {
        let name = split.name();
        let folder = folder.join(format!("{name}_dataset"));
        let [interactions, proteins, drugs] = ["dti", "protein", "compound"].map(|kind| {
            let path = folder.join(format!("{name}_{kind}.csv"));
            let file = match File::open(&path) {
                Ok(file) if path.is_file() => Ok(file),
                Err(source) if path.exists() => Err(DatasetError::Io { path: path.clone(), source }),
                _ => {
                    let expected = format!("expected {name}_dti.csv, {name}_protein.csv and {name}_compound.csv there");
                    Err(DatasetError::Missing { path: path.clone(), expected })
                }
            };
            file.map(|file| (path, BufReader::new(file)))
        });
        read_parts(interactions?, proteins?, drugs?, options)
    }
}

/// Reads the files of interactions, proteins and drugs, each with its path.
pub(crate) fn read_parts<R: Read>(
    interactions: (PathBuf, R),
    proteins: (PathBuf, R),
    drugs: (PathBuf, R),
    options: &PairOptions,
) -> Result<Pairs, DatasetError> {
    let table = Table::new(&proteins.0, proteins.1, &["Protein_ID", "Sequence"])?;
    let (protein_list, protein_positions) = table.items(|id, sequence| Protein::new(id, sequence))?;

    let table = Table::new(&drugs.0, drugs.1, &["Compound_ID", &options.fingerprint])?;
    let mut expected = None;
    let (drug_list, drug_positions) = table.items(|id, bits| {
        let drug = Drug::new(id, bits)?;
        let (bits, expected) = (drug.fingerprint.len(), *expected.get_or_insert(drug.fingerprint.len()));
        if bits == expected { Ok(drug) } else { Err(PairProblem::Ragged { drug: drug.id, bits, expected }) }
    })?;

    let table = Table::new(&interactions.0, interactions.1, &["Protein_ID", "Compound_ID", "Label"])?;
    let (mut list, mut left_out) = (Vec::new(), 0);
    table.for_each(|_, [protein, drug, label]| {
        let binds = match label {
            "0" => false,
            "1" => true,
            _ => return Err(PairProblem::Label(label.into())),
        };
        let protein = position("protein", protein, &protein_positions, &proteins.0);
        let drug = position("compound", drug, &drug_positions, &drugs.0);
        match protein.and_then(|protein| Ok(Interaction { protein, drug: drug?, binds })) {
            Ok(interaction) => list.push(interaction),
            Err(_) if options.skip_unknown => left_out += 1,
            Err(unknown) => return Err(unknown),
        }
        Ok(())
    })?;
    if list.is_empty() {
        return Err(DatasetError::Pair { path: interactions.0, line: 1, problem: PairProblem::NoneLeft(left_out) });
    }
    Ok(Pairs { proteins: protein_list.into(), drugs: drug_list.into(), interactions: list, left_out })
}

fn position(
    kind: &'static str,
    id: &str,
    positions: &HashMap<String, usize>,
    file: &Path,
) -> Result<usize, PairProblem> {
    let unknown = || PairProblem::Unknown { kind, id: id.into(), file: shown(file).to_string() };
    positions.get(id).copied().ok_or_else(unknown)
}
