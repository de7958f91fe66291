//! The options of `predict`.

use std::path::PathBuf;

use clap::Args;

use super::values::up_to;
use crate::{
    commands::{PredictFormat, PredictOptions},
    limits::MAX_CLASSES,
};

#[derive(Args)]
pub struct PredictArguments {
    /// A file of trained weights, which runs write to OUT/SUITE/weights, or the name of one (see `list weights`)
    weights: String,
    /// PNG, JPEG, BMP or WebP files of any size, or folders of them
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// The number of classes to show for each image
    #[arg(long, value_name = "K", default_value_t = 3, value_parser = up_to::<MAX_CLASSES>, allow_negative_numbers = true)]
    top: usize,
    /// Draw the evidence for the most probable class over the image: into this PNG file, or for several images into this
    /// folder
    #[arg(long, value_name = "OUT.png or DIR")]
    cam: Option<PathBuf>,
    /// Take the name of each image's folder as its class, and count the mistakes
    #[arg(long)]
    labels: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print CSV, one line per image and class
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

impl PredictArguments {
    pub fn options(self) -> PredictOptions {
        PredictOptions {
            weights: self.weights,
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
