//! The options of the commands that divide a run into shards.

use std::ffi::OsString;

use clap::Args;

use super::{run::RunArguments, typed, values::up_to};
use crate::{
    commands::{PlanOptions, ShardedRun, SlurmOptions},
    limits::MAX_THREADS,
    machine::available_cores,
};

/// The options that are not passed on to `run`, with a value and without: each shard has its own, or they say what is
/// printed here.
const OWN_WITH_VALUE: [&str; 10] = [
    "--shards",
    "--shard",
    "--out",
    "--threads",
    "--cpus-per-task",
    "--time",
    "--partition",
    "--account",
    "--qos",
    "--mem",
];
const OWN: [&str; 3] = ["--lines", "--quiet", "--dry-run"];

#[derive(Args)]
pub struct ShardedArguments {
    /// The number of shards
    #[arg(long, value_name = "N", value_parser = up_to::<1_000>, allow_negative_numbers = true, conflicts_with_all = ["tune", "shard"])]
    shards: usize,
    #[command(flatten)]
    run: RunArguments,
}

#[derive(Args)]
pub struct PlanArguments {
    #[command(flatten)]
    sharded: ShardedArguments,
    /// Print the command of each shard, one a line, as GNU parallel and xargs read them
    #[arg(long)]
    lines: bool,
}

#[derive(Args)]
pub struct SlurmArguments {
    #[command(flatten)]
    sharded: ShardedArguments,
    /// The number of cores, and of threads, of each shard [default: those of this machine]
    #[arg(long, value_name = "N", value_parser = up_to::<MAX_THREADS>, allow_negative_numbers = true)]
    cpus_per_task: Option<usize>,
    /// The time limit of a shard, as in 2:00:00; a shard that needs longer is queued again
    #[arg(long)]
    time: Option<String>,
    /// The partition
    #[arg(long, value_name = "NAME")]
    partition: Option<String>,
    /// The account
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// The quality of service
    #[arg(long, value_name = "NAME")]
    qos: Option<String>,
    /// The memory of a shard, as in 4G
    #[arg(long, value_name = "SIZE")]
    mem: Option<String>,
}

impl ShardedArguments {
    fn options(self, arguments: &[OsString]) -> ShardedRun {
        ShardedRun {
            shards: self.shards,
            arguments: typed::run_arguments(arguments, &OWN_WITH_VALUE, &OWN),
            run: Box::new(self.run.options(String::new(), String::new())),
        }
    }
}

impl PlanArguments {
    /// The options of `plan`. `arguments` is the whole command line.
    pub fn options(self, arguments: &[OsString]) -> PlanOptions {
        PlanOptions { sharded: self.sharded.options(arguments), lines: self.lines }
    }
}

impl SlurmArguments {
    /// The options of `slurm`. `arguments` is the whole command line.
    pub fn options(self, arguments: &[OsString]) -> SlurmOptions {
        let Self { sharded, cpus_per_task, time, partition, account, qos, mem } = self;
        let named = [("time", time), ("partition", partition), ("account", account), ("qos", qos), ("mem", mem)];
        SlurmOptions {
            sharded: sharded.options(arguments),
            cpus_per_task: cpus_per_task.unwrap_or_else(available_cores),
            sbatch: named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        }
    }
}
