//! The protein–drug pairs of a sweep.

use std::{ops::RangeInclusive, path::Path};

use anyhow::Result;
use datasets::{DatasetError, Order, PairOptions, PairProblem, PairSplit, Pairs, PlantedMotifs, printable};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{misuse::Misuse, output::note};

/// The name of the synthetic pairs.
pub const PLANTED_MOTIFS: &str = "synthetic-motifs";

/// The seed of subsets of the training pairs.
const SUBSET_SEED: u64 = 0;

/// The pairs that a network is trained and measured on.
#[derive(Clone, Debug)]
pub struct PairData {
    pub name: String,
    /// A hash of all pairs, 16 hexadecimal digits.
    pub fingerprint: String,
    pub train: Pairs,
    pub validation: Option<Pairs>,
    pub test: Pairs,
    /// More test pairs, as many as `test`, whose proteins are longer than those of training, if the pairs are synthetic.
    pub longer: Option<Pairs>,
    /// The number of positions that sequences are padded to.
    pub length: usize,
    /// The options of the generator, if the pairs are synthetic.
    pub planted: Option<Planted>,
}

/// The options of the generator of synthetic pairs, [`PlantedMotifs`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planted {
    #[serde(default)]
    pub seed: u64,
    /// The number of motifs.
    pub motifs: usize,
    /// The number of residues of a motif.
    pub motif_length: usize,
    /// The smallest and the largest length of a protein.
    pub lengths: [usize; 2],
    /// The lengths of the proteins of further test pairs.
    pub longer: [usize; 2],
    /// The number of test pairs.
    pub test_size: usize,
}

impl Planted {
    /// Makes the pairs. Validation and training pairs do not depend on each other's number.
    ///
    /// # Errors
    /// [`Misuse`] for options that are impossible.
    pub fn pairs(&self, train_size: usize, validation: usize, length: usize) -> Result<PairData, Misuse> {
        let generator = |lengths: [usize; 2]| {
            let lengths = RangeInclusive::new(lengths[0], lengths[1]);
            PlantedMotifs::new(self.seed).motifs(self.motifs, self.motif_length).lengths(lengths)
        };
        let make = |lengths, split, count| generator(lengths).pairs(split, count).map_err(Misuse::from);
        let held_out = (validation > 0).then(|| make(self.lengths, PairSplit::Validation, validation)).transpose()?;
        let data = PairData {
            name: PLANTED_MOTIFS.into(),
            fingerprint: String::new(),
            train: make(self.lengths, PairSplit::Training, train_size)?,
            validation: held_out,
            test: make(self.lengths, PairSplit::Test, self.test_size)?,
            longer: Some(make(self.longer, PairSplit::Test, self.test_size)?),
            length,
            planted: Some(self.clone()),
        };
        Ok(data.with_fingerprint())
    }
}

impl PairData {
    /// Reads pairs from a folder in the layout of the authors of DeepConv-DTI. Standard error tells how many are left out.
    /// `remedy` says what helps where there are fewer than `train_size` training pairs.
    ///
    /// # Errors
    /// [`Misuse`] for more training pairs than there are; otherwise, mistakes in the files.
    pub fn read(
        folder: &Path,
        train_size: Option<usize>,
        length: usize,
        skip_unknown: bool,
        remedy: &str,
    ) -> Result<Self> {
        let options = PairOptions::default().skip_unknown(skip_unknown);
        let read = |split: PairSplit| {
            let pairs = Pairs::load(folder, split, &options).map_err(with_option)?;
            if pairs.left_out > 0 {
                let (count, all) = (pairs.left_out, pairs.left_out + pairs.len());
                let name = split.name();
                note(&format!("{count} of {all} {name} pairs are left out, as their protein or compound is unknown"));
            }
            anyhow::Ok(pairs)
        };
        let (mut train, validation) = (read(PairSplit::Training)?, read(PairSplit::Validation)?);
        if let Some(size) = train_size {
            if size > train.len() {
                let (folder, count) = (folder.display(), train.len());
                let message = format!("{folder} has {count} training pairs, fewer than {size}; {remedy}");
                return Err(Misuse::new(message).into());
            }
            let order = Order::Shuffled { seed: SUBSET_SEED, epoch: 0 }.indices(train.len());
            train = train.subset(&order[..size]);
        }
        let data = Self {
            name: printable(&folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy()),
            fingerprint: String::new(),
            train,
            validation: Some(validation),
            test: read(PairSplit::Test)?,
            longer: None,
            length,
            planted: None,
        };
        Ok(data.with_fingerprint())
    }

    /// The same data with the validation pairs in the place of the test pairs; `None` if none are held out.
    pub fn without_test(&self) -> Option<Self> {
        Some(Self { test: self.validation.clone()?, longer: None, ..self.clone() })
    }

    fn with_fingerprint(self) -> Self {
        let parts = [Some(&self.train), self.validation.as_ref(), Some(&self.test), self.longer.as_ref()];
        let hashes: Vec<String> = parts.into_iter().flatten().map(Pairs::fingerprint).collect();
        Self { fingerprint: hex::encode(Sha256::digest(hashes.join(" ")))[..16].into(), ..self }
    }
}

/// Names the option that helps where a pair is of an unknown protein or compound.
pub fn with_option(error: DatasetError) -> anyhow::Error {
    let is_unknown = matches!(&error, DatasetError::Pair { problem: PairProblem::Unknown { .. }, .. });
    let error = anyhow::Error::from(error);
    if is_unknown { error.context("--skip-unknown leaves out the pairs that cannot be joined") } else { error }
}
