//! What can be typed. Everything is parsed into its type here; clap answers misuse with exit code 2.

mod values;

pub use values::{
    DeviceKind, HeadList, LONGEST_SIDE, MOST_EPOCHS, MOST_IMAGES, MOST_SEEDS, MOST_UPDATES, Shape, Shard,
};

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use datasets::DatasetId;
use heads::HeadConfig;
use models::ModelName;

use values::{MOST_CLASSES, MOST_THREADS, positive_number, up_to};

/// Compares classifier heads of convolutional networks: trains every combination, tabulates accuracy, size and speed.
///
/// Without a command: `run heads`, on the embedded MNIST sample.
#[derive(Parser)]
#[command(name = "experiments", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Subcommand)]
pub enum Command {
    /// Train all runs of a suite and render the table
    Run(Box<RunOptions>),
    /// List what there is
    List {
        /// Only these
        kind: Option<Kind>,
        #[arg(long)]
        json: bool,
    },
    /// Show a network layer by layer: shapes, parameters, multiply-accumulates
    Summary {
        /// As `two-conv` or `nin@0.25`
        model: ModelName,
        /// The model's own if not given
        #[arg(long)]
        head: Option<HeadConfig>,
        /// CHANNELSxHEIGHTxWIDTH; the model's own if not given
        #[arg(long, value_name = "CxHxW")]
        input: Option<Shape>,
        /// Number of classes; the model's own if not given
        #[arg(long, value_name = "K", value_parser = up_to::<MOST_CLASSES>, allow_negative_numbers = true)]
        classes: Option<usize>,
        #[arg(long)]
        json: bool,
    },
    /// Measure speed only: training and inference throughput, batch-1 latency, memory
    Bench(BenchOptions),
    /// Candle's own operators, as a peer of `bench`
    #[command(hide = true)]
    StockCandle,
    /// Runs one request of `bench` and prints the memory it took
    #[command(hide = true)]
    PeakMemory { request: String },
    /// Render again from the records of a suite's folder, or merge those of a folder of such folders
    Report { dir: PathBuf },
    /// Show a data set: counts, class balance, checksums
    Data {
        /// A name, or a folder with train/CLASS/* and test/CLASS/*
        dataset: DatasetId,
        /// The folder with the data set's files
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        /// What the images of a folder are resized to [default: 1x28x28]
        #[arg(long, value_name = "CxHxW")]
        input: Option<Shape>,
        /// Draw the first images of each class
        #[arg(long, value_name = "OUT.png")]
        grid: Option<PathBuf>,
        #[arg(long)]
        json: bool,
    },
}

/// The options of `run`.
#[derive(Args, Clone)]
pub struct RunOptions {
    /// The name of a suite, or a TOML file of one's own
    #[arg(default_value = "heads", value_name = "SUITE or FILE.toml")]
    pub suite: String,
    /// A name (see `list datasets`), or a folder with train/CLASS/* and test/CLASS/*
    #[arg(long)]
    pub dataset: Option<DatasetId>,
    /// The folder with the data set's files
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// What the images of a folder are resized to; what the models take by default if not given
    #[arg(long, value_name = "CxHxW")]
    pub input: Option<Shape>,
    /// As `two-conv,nin@0.25`
    #[arg(long, value_delimiter = ',')]
    pub models: Option<Vec<ModelName>>,
    /// As `fc:120,84,gap`: a list is split at commas that no digit follows
    #[arg(long)]
    pub heads: Option<HeadList>,
    /// How many seeds
    #[arg(long, value_name = "N", value_parser = up_to::<MOST_SEEDS>, allow_negative_numbers = true)]
    pub seeds: Option<usize>,
    /// The first seed
    #[arg(long, value_name = "BASE", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=u64::from(u32::MAX)), allow_negative_numbers = true)]
    pub seed: u64,
    /// How many times each image is trained on
    #[arg(long, value_name = "N", value_parser = up_to::<MOST_EPOCHS>, allow_negative_numbers = true)]
    pub epochs: Option<usize>,
    /// How many steps are taken, whatever the number of images
    #[arg(long, value_name = "N", value_parser = up_to::<MOST_UPDATES>, allow_negative_numbers = true, conflicts_with = "epochs")]
    pub updates: Option<usize>,
    /// How many images are trained on
    #[arg(long, value_name = "N", value_parser = up_to::<MOST_IMAGES>, allow_negative_numbers = true)]
    pub train_size: Option<usize>,
    /// Images per update
    #[arg(long, value_name = "N", value_parser = up_to::<MOST_IMAGES>, allow_negative_numbers = true)]
    pub batch_size: Option<usize>,
    /// The peak learning rate of all variants
    #[arg(long, value_parser = positive_number, allow_negative_numbers = true)]
    pub lr: Option<f64>,
    /// First choose each variant's learning rate on the validation images, from the suite's grid
    #[arg(long, conflicts_with_all = ["lr", "shard"])]
    pub tune: bool,
    /// Threads in all; training runs share them, one each [default: one per core]
    #[arg(long, value_name = "N", value_parser = up_to::<MOST_THREADS>, allow_negative_numbers = true)]
    pub threads: Option<usize>,
    /// What to train on; the others need a build with `--features cuda` or `metal`
    #[arg(long, default_value = "cpu")]
    pub device: DeviceKind,
    /// The folder that holds the suites' folders [default: results]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Train only part I of N of the runs
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Keep finished records of the same configuration, train the missing ones
    #[arg(long, conflicts_with = "fresh")]
    pub extend: bool,
    /// Start an interrupted sweep over
    #[arg(long)]
    pub fresh: bool,
    /// Show the plan, train nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print nothing but the table
    #[arg(long)]
    pub quiet: bool,
}

/// The options of `bench`.
#[derive(Args)]
pub struct BenchOptions {
    /// As `two-conv,nin@0.25` [default, without heads: the networks of results/bench]
    #[arg(long, value_delimiter = ',')]
    pub models: Option<Vec<ModelName>>,
    /// As `fc:120,84,gap` [default: each model's own]
    #[arg(long)]
    pub heads: Option<HeadList>,
    /// Of training
    #[arg(long, value_name = "N", default_value_t = crate::bench::TRAIN_BATCH, value_parser = up_to::<MOST_IMAGES>, allow_negative_numbers = true)]
    pub batch_size: usize,
    /// [default: one per core]
    #[arg(long, value_name = "N", value_parser = up_to::<MOST_THREADS>, allow_negative_numbers = true)]
    pub threads: Option<usize>,
    /// The command line of another program to compare with, as often as wanted: see experiments/peers/README.md
    #[arg(long = "peer", value_name = "COMMAND")]
    pub peers: Vec<String>,
    /// How many times all are asked in turn
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = up_to::<MOST_EPOCHS>, allow_negative_numbers = true)]
    pub pairs: usize,
    /// Write the comparison into DIR/bench
    #[arg(long, value_name = "DIR", requires = "peers")]
    pub out: Option<PathBuf>,
    #[arg(long)]
    pub json: bool,
}

impl BenchOptions {
    pub fn threads(&self) -> usize {
        all_cores_unless(self.threads)
    }
}

impl RunOptions {
    pub fn threads(&self) -> usize {
        all_cores_unless(self.threads)
    }
}

fn all_cores_unless(threads: Option<usize>) -> usize {
    threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Models,
    Heads,
    Datasets,
    Suites,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
