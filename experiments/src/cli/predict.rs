//! The options of `predict`.

use std::path::PathBuf;

use clap::Args;

use super::values::up_to;
use crate::{
    commands::{PairInput, PredictFormat, PredictOptions},
    limits::MAX_CLASSES,
};

#[derive(Args)]
pub struct PredictArguments {
    /// A file of trained weights, which runs write to OUT/SUITE/weights, or the name of one (see `list weights`)
    weights: String,
    /// PNG, JPEG, BMP or WebP files of any size, or folders of them
    #[arg(required_unless_present_any = ["protein", "pairs"], value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// A protein: the letters of its residues, or a file that holds them
    #[arg(long, value_name = "SEQUENCE or FILE", requires = "fingerprint", conflicts_with_all = ["images", "pairs"])]
    protein: Option<String>,
    /// A drug: the bits of its fingerprint, 0 and 1, or a file that holds them
    #[arg(long, value_name = "BITS or FILE", requires = "protein")]
    fingerprint: Option<String>,
    /// The test pairs of a folder with test_dataset/test_dti.csv, test_protein.csv and test_compound.csv
    #[arg(long, value_name = "DIR", conflicts_with = "images")]
    pairs: Option<PathBuf>,
    /// Leave out pairs whose protein or compound is unknown
    #[arg(long, requires = "pairs")]
    skip_unknown: bool,
    /// The number of classes to show for each image, or of windows of residues for each pair
    #[arg(long, value_name = "K", default_value_t = 3, value_parser = up_to::<MAX_CLASSES>, allow_negative_numbers = true)]
    top: usize,
    /// Draw the evidence for the most probable class over the image: into this PNG file, or for several images into this
    /// folder
    #[arg(long, value_name = "OUT.png or DIR", conflicts_with_all = ["protein", "pairs"])]
    cam: Option<PathBuf>,
    /// Take the name of each image's folder as its class, and count the mistakes
    #[arg(long, conflicts_with_all = ["protein", "pairs"])]
    labels: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print CSV, one line per image and class, or per pair and window
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

impl PredictArguments {
    pub fn options(self) -> PredictOptions {
        let one =
            self.protein.zip(self.fingerprint).map(|(protein, fingerprint)| PairInput::One { protein, fingerprint });
        let skip_unknown = self.skip_unknown;
        let folder = self.pairs.map(|folder| PairInput::Folder { folder, skip_unknown });
        PredictOptions {
            weights: self.weights,
            pairs: one.or(folder),
            images: self.images,
            top: self.top,
            cam: self.cam,
            labels: self.labels,
            format: match (self.json, self.csv) {
                (true, _) => PredictFormat::Json,
                (_, true) => PredictFormat::Csv,
                _ => PredictFormat::Text,
            },
        }
    }
}
