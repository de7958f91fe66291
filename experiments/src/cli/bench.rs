//! The options of `bench`.

use std::path::PathBuf;

use clap::Args;

use super::values::{HeadList, up_to};
use crate::{
    commands::BenchOptions,
    limits::{MAX_EPOCHS, MAX_IMAGES, MAX_THREADS},
    machine::available_cores,
    network_name::NetworkName,
};

#[derive(Args)]
pub struct BenchArguments {
    /// The models, as in `two-conv,nin@0.25,deep-conv-dti` [default: the networks of results/bench, or with --heads, two-conv]
    #[arg(long, value_delimiter = ',')]
    models: Option<Vec<NetworkName>>,
    /// The heads, as in `fc:120,84,gap` [default: each model's own]
    #[arg(long)]
    heads: Option<HeadList>,
    /// The number of images or pairs per training step [default: 64 images, 32 pairs]
    #[arg(long, value_name = "N", value_parser = up_to::<MAX_IMAGES>, allow_negative_numbers = true)]
    batch_size: Option<usize>,
    /// The number of threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = up_to::<MAX_THREADS>, allow_negative_numbers = true)]
    threads: Option<usize>,
    /// The command line of a program to compare with (see experiments/peers/README.md); may be given several times
    #[arg(long = "peer", value_name = "COMMAND")]
    peers: Vec<String>,
    /// The number of rounds, in each of which every program is timed once
    #[arg(long, alias = "pairs", value_name = "N", default_value_t = 7, value_parser = up_to::<MAX_EPOCHS>, allow_negative_numbers = true)]
    rounds: usize,
    /// The bench.json of an earlier run on this machine to compare with
    ///
    /// What got slower than in every round of the earlier run is remarked. The exit code does not change.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write the run and its page into DIR/bench
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl BenchArguments {
    /// The options.
    pub fn options(self) -> BenchOptions {
        BenchOptions {
            models: self.models,
            heads: self.heads.map(|list| list.0),
            batch_size: self.batch_size,
            threads: self.threads.unwrap_or_else(available_cores),
            peers: self.peers,
            rounds: self.rounds,
            baseline: self.baseline,
            out: self.out,
            json: self.json,
        }
    }
}
