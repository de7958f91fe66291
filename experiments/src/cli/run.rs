//! The options of `run`.

use std::path::PathBuf;

use clap::Args;
use datasets::{DatasetId, Shape};
use models::ModelName;
use training::{DeviceKind, Length};

use super::values::{HeadList, positive_number, shard, up_to};
use crate::{
    commands::RunOptions,
    limits::{MAX_EPOCHS, MAX_IMAGES, MAX_SEEDS, MAX_THREADS, MAX_UPDATES},
    machine::available_cores,
    shard::Shard,
    suite::Changes,
    sweep::{Existing, SweepOptions},
};

/// The suite that is run if no other is named.
pub const DEFAULT_SUITE: &str = "heads";

#[derive(Args)]
pub struct RunArguments {
    /// The name of a suite (see `list suites`), or a suite's TOML file
    #[arg(default_value = DEFAULT_SUITE, value_name = "SUITE or FILE.toml")]
    suite: String,
    /// A data set's name (see `list datasets`), or a folder with train/CLASS/* and test/CLASS/*
    #[arg(long)]
    dataset: Option<DatasetId>,
    /// The folder of the data set's files; for several data sets, each has its subfolder DIR/NAME; for the suite
    /// protein-drug, the folder with training_dataset, validation_dataset and test_dataset
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Leave out protein–drug pairs whose protein or compound is unknown
    #[arg(long, requires = "data_dir")]
    skip_unknown: bool,
    /// The shape that the images of a folder are resized to [default: the models' input]
    #[arg(long, value_name = "CxHxW")]
    input: Option<Shape>,
    /// The models, as in `two-conv,nin@0.25`
    #[arg(long, value_delimiter = ',')]
    models: Option<Vec<ModelName>>,
    /// The heads, as in `fc:120,84,gap`, which are `fc:120,84` and `gap`
    #[arg(long)]
    heads: Option<HeadList>,
    /// The number of seeds
    #[arg(long, value_name = "N", value_parser = up_to::<MAX_SEEDS>, allow_negative_numbers = true)]
    seeds: Option<usize>,
    /// The first seed
    #[arg(long, value_name = "BASE", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=u64::from(u32::MAX)), allow_negative_numbers = true)]
    seed: u64,
    /// The number of passes over the training images
    #[arg(long, value_name = "N", value_parser = up_to::<MAX_EPOCHS>, allow_negative_numbers = true)]
    epochs: Option<usize>,
    /// The number of optimiser updates, instead of epochs
    #[arg(long, value_name = "N", value_parser = up_to::<MAX_UPDATES>, allow_negative_numbers = true, conflicts_with = "epochs")]
    updates: Option<usize>,
    /// The number of training images
    #[arg(long, value_name = "N", value_parser = up_to::<MAX_IMAGES>, allow_negative_numbers = true)]
    train_size: Option<usize>,
    /// The number of images per update
    #[arg(long, value_name = "N", value_parser = up_to::<MAX_IMAGES>, allow_negative_numbers = true)]
    batch_size: Option<usize>,
    /// The peak learning rate of all variants
    #[arg(long, value_parser = positive_number, allow_hyphen_values = true)]
    lr: Option<f64>,
    /// First choose each variant's learning rate from the suite's grid, by validation accuracy
    #[arg(long, conflicts_with_all = ["lr", "shard"])]
    tune: bool,
    /// Start from trained weights, those of a file or of a network that `list weights` shows; without `--models` and
    /// `--heads`, from that network
    #[arg(long, value_name = "WEIGHTS")]
    init: Option<String>,
    /// Train only the heads, and leave the backbone of `--init` as it is
    #[arg(long, requires = "init")]
    freeze: bool,
    /// Start also from weights of which only a part fits the backbone, and say what is skipped
    #[arg(long, requires = "init")]
    partial: bool,
    /// The number of threads; concurrent runs share them [default: one per core]
    #[arg(long, value_name = "N", value_parser = up_to::<MAX_THREADS>, allow_negative_numbers = true)]
    threads: Option<usize>,
    /// The device to train on: cpu, or cuda or metal in a build with that feature
    #[arg(long, default_value = "cpu")]
    device: DeviceKind,
    /// The folder that contains the suites' folders [default: results]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Train only part I of N of the runs; all parts have about the same work
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<Shard>,
    /// Keep finished records of the same configuration and train the missing ones
    #[arg(long, conflicts_with = "fresh")]
    extend: bool,
    /// Start over instead of resuming an interrupted sweep of the same plan
    #[arg(long)]
    fresh: bool,
    /// Show the plan and train nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not save the trained weights, which otherwise go to OUT/SUITE/weights
    #[arg(long)]
    no_weights: bool,
    /// Write the curves and pictures of the runs for TensorBoard, to OUT/SUITE/tensorboard
    #[arg(long)]
    tensorboard: bool,
    /// Print only the tables
    #[arg(long)]
    quiet: bool,
}

impl RunArguments {
    /// The options. `typed` is the command line for the page, `resuming` the one that goes on after an interruption.
    pub fn options(self, typed: String, resuming: String) -> RunOptions {
        let epochs = self.epochs.map(Length::Epochs);
        RunOptions {
            changes: Changes {
                dataset: self.dataset,
                input: self.input,
                models: self.models,
                heads: self.heads.map(|list| list.0),
                seeds: self.seeds,
                first_seed: self.seed,
                length: epochs.or(self.updates.map(|updates| Length::Updates(updates as u64))),
                train_size: self.train_size,
                batch_size: self.batch_size,
                lr: self.lr,
                device: self.device,
                init: None,
            },
            init: self.init,
            freeze: self.freeze,
            partial: self.partial,
            tune: self.tune,
            data_dir: self.data_dir,
            skip_unknown: self.skip_unknown,
            out: self.out,
            dry_run: self.dry_run,
            sweep: SweepOptions {
                threads: self.threads.unwrap_or_else(available_cores),
                shard: self.shard,
                existing: match (self.extend, self.fresh) {
                    (true, _) => Existing::Extend,
                    (_, true) => Existing::Discard,
                    _ => Existing::Resume,
                },
                weights: !self.no_weights,
                tensorboard: self.tensorboard,
                quiet: self.quiet,
                resuming,
            },
            suite: self.suite,
            typed,
        }
    }
}
