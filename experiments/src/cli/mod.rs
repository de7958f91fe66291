//! The command line. Arguments are parsed here, once, into the options that the commands take; nothing else knows clap.

mod bench;
mod export;
mod playground;
mod predict;
mod run;
mod serve;
mod sharded;
mod shell;
mod typed;
mod values;

use std::{ffi::OsString, path::PathBuf};

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use datasets::{DatasetId, Shape};
use heads::HeadConfig;
use timing::Request;

use crate::{
    commands::{Command, DataOptions, ItemKind, RunOptions, SummaryOptions, VerifyOptions},
    limits::{MAX_CLASSES, MAX_THREADS},
    machine::available_cores,
    network_name::NetworkName,
};
use bench::BenchArguments;
use export::ExportArguments;
use playground::PlaygroundArguments;
use predict::PredictArguments;
use run::{DEFAULT_SUITE, RunArguments};
use serve::ServeArguments;
use sharded::{PlanArguments, SlurmArguments};
use values::{Count, up_to};

/// Parses a command line, whose first argument is the name of the program.
///
/// # Errors
/// A mistake in the command line, or the text of `--help` or `--version`.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, clap::Error> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let (typed, resuming) = (typed::command_line(&arguments), typed::resuming_command(&arguments));
    let cli = Cli::try_parse_from(&arguments)?;
    Ok(match cli.command {
        None => Command::Run(Box::new(RunOptions::first_look(DEFAULT_SUITE, typed, resuming))),
        Some(Subcommands::Run(run)) => Command::Run(Box::new(run.options(typed, resuming))),
        Some(Subcommands::Plan(plan)) => Command::Plan(plan.options(&arguments)),
        Some(Subcommands::Slurm(slurm)) => Command::Slurm(slurm.options(&arguments)),
        Some(Subcommands::List { kind, json }) => Command::List { kind, json },
        Some(Subcommands::Summary { model, head, input, classes, json }) => {
            Command::Summary(SummaryOptions { model, head, input, classes, json })
        }
        Some(Subcommands::Predict(predict)) => Command::Predict(predict.options()),
        Some(Subcommands::Export(export)) => Command::Export(export.options()),
        Some(Subcommands::Playground(playground)) => Command::Playground(playground.options()),
        Some(Subcommands::Serve(serve)) => serve.command(),
        Some(Subcommands::Bench(bench)) => Command::Bench(bench.options()),
        Some(Subcommands::Report { dir }) => Command::Report { dir },
        Some(Subcommands::Data { dataset, data_dir, input, grid, json }) => {
            Command::Data(DataOptions { dataset, data_dir, input, grid, json })
        }
        Some(Subcommands::Verify { dir, runs, data_dir, threads, json }) => Command::Verify(VerifyOptions {
            dir,
            runs: runs.0,
            data_dir,
            threads: threads.unwrap_or_else(available_cores),
            json,
        }),
        Some(Subcommands::Completions { shell }) => Command::Print(shell::completions(Cli::command(), shell)),
        Some(Subcommands::Man { command }) => Command::Print(shell::manual(Cli::command(), command.as_deref())?),
        Some(Subcommands::PeakMemory { request }) => Command::PeakMemory(request),
    })
}

/// The examples below the help: the most frequent uses.
const EXAMPLES: &str = "\
Examples:
  experiments                                          a first look: 17 short runs and their table
  experiments list suites                              the questions that can be asked
  experiments run shift                                one of them, into results/shift
  experiments run --dataset photos --models two-conv   your images, in photos/train/CLASS and photos/test/CLASS
  experiments summary resnet8 --head gmp-fc            a network layer by layer
  experiments predict resnet8-gap-fc.mnist digit.png   what a trained network says
  experiments playground                               a page on which one draws for three networks

From the workspace, write `cargo run -p experiments --` for `experiments`.";

/// Compares classifier heads of convolutional networks: trains every combination and tabulates accuracy, size and speed.
///
/// Without a command, one seed of the suite `heads` is trained for 4 epochs on the embedded MNIST sample; `run` trains the whole
/// suite.
#[derive(Parser)]
#[command(name = "experiments", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Subcommands>,
}

#[derive(Subcommand)]
enum Subcommands {
    /// Train all runs of a suite and render its tables
    Run(Box<RunArguments>),
    /// Show how the runs of a suite are divided into shards, or print one command per shard
    Plan(Box<PlanArguments>),
    /// Print a script that trains a suite as a Slurm job array
    ///
    /// The script submits one task per shard and a job that merges them. All options of `run` are accepted. Start it with
    /// `experiments slurm SUITE --shards N | sh` on a machine that has `sbatch`.
    Slurm(Box<SlurmArguments>),
    /// List the models, heads, data sets, suites and trained weights
    List {
        /// The kind of items to list: models, heads, datasets, suites or weights [default: all of them]
        kind: Option<ItemKind>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a network layer by layer: shapes, parameters, multiply-accumulates
    Summary {
        /// A model, as in `two-conv` or `nin@0.25` (a quarter of the channels), or `deep-conv-dti`
        model: NetworkName,
        /// The head [default: the model's]
        #[arg(long)]
        head: Option<HeadConfig>,
        /// The shape of the images [default: the model's]
        #[arg(long, value_name = "CxHxW")]
        input: Option<Shape>,
        /// The number of classes [default: the model's]
        #[arg(long, value_name = "K", value_parser = up_to::<MAX_CLASSES>, allow_negative_numbers = true)]
        classes: Option<usize>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Classify images by a trained network, or tell whether drugs bind proteins
    ///
    /// An image may have any size and colour; it is resized to the network's input, as a folder of images is in training.
    Predict(PredictArguments),
    /// Write a trained network for other programs: weights for PyTorch, or an ONNX model
    ///
    /// `load_state_dict(safetensors.torch.load_file(OUT), strict=True)` takes the weights. The ONNX model takes images of
    /// (N, C, H, W) with pixels from 0 to 1 and standardises them itself; its metadata hold the names of the classes.
    Export(ExportArguments),
    /// Write a page in which one draws an image and sees what trained networks make of it
    ///
    /// The page is one file that a browser opens from disk. It computes the networks itself: for each head side by side the
    /// probabilities and where the evidence lies, while the drawing is moved, turned or cluttered.
    Playground(PlaygroundArguments),
    /// Serve a folder of results to browsers, with the progress of a running sweep (feature `serve`)
    ///
    /// The start page follows the sweep that writes into the folder, and opens the playground for its networks.
    Serve(ServeArguments),
    /// Measure speed only: training and inference throughput, latency of one image, memory
    Bench(BenchArguments),
    /// Print a script that completes the command line in a shell
    ///
    /// `source <(experiments completions bash)` completes in a running bash.
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page of the program or of a command
    ///
    /// `experiments man run | man -l -` shows it.
    Man {
        /// A command, as in `run`
        command: Option<String>,
    },
    /// Execute one request of `bench` and print the peak memory of this process
    #[command(hide = true)]
    PeakMemory {
        #[arg(value_parser = parse_request)]
        request: Request,
    },
    /// Render the tables again from the records in a folder
    ///
    /// The folder is that of one suite, or one that contains suites' folders. Shards of one suite are merged.
    Report {
        /// A suite's folder, or a folder of such folders
        dir: PathBuf,
    },
    /// Train recorded runs again and compare weights and test results to the bit
    ///
    /// The exit code is 0 if all are equal and 1 if some differ. Equal bits need the instruction set that the records name
    /// (OPS_ISA=NAME in the environment chooses it) and the same versions.
    Verify {
        /// The folder of a suite's results
        dir: PathBuf,
        /// The number of runs, spread over the variants, or `all`
        #[arg(long, value_name = "N", default_value = "3", allow_negative_numbers = true)]
        runs: Count,
        /// The folder of the data set's files
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        /// The number of threads; concurrent runs share them [default: one per core]
        #[arg(long, value_name = "N", value_parser = up_to::<MAX_THREADS>, allow_negative_numbers = true)]
        threads: Option<usize>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a data set: counts, class balance, checksums
    Data {
        /// A name (see `list datasets`), or a folder with train/CLASS/* and test/CLASS/*
        dataset: DatasetId,
        /// The folder of the data set's files
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        /// The shape that the images of a folder are resized to [default: 1x28x28]
        #[arg(long, value_name = "CxHxW")]
        input: Option<Shape>,
        /// Draw the first images of each class into a PNG file
        #[arg(long, value_name = "OUT.png")]
        grid: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

fn parse_request(json: &str) -> Result<Request, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_one_seed_of_the_default_suite_is_run_for_a_few_epochs() {
        let [Command::Run(implied), Command::Run(named)] =
            [&["experiments"][..], &["experiments", "run", "heads", "--seeds", "1", "--epochs", "4"]]
                .map(|line| parse(line.iter().map(OsString::from)).unwrap())
        else {
            panic!("not run")
        };
        assert_eq!(implied.typed, "cargo run -p experiments");
        let (typed, sweep) = (named.typed.clone(), named.sweep.clone());
        assert_eq!(RunOptions { typed, sweep, ..*implied }, *named);
    }
}
