//! The commands, one file each.

mod bench;
mod data;
mod export;
mod list;
mod plan;
mod playground;
mod predict;
mod report;
mod run;
mod sharded;
mod slurm;
mod summary;
mod verify;

use std::path::PathBuf;

use anyhow::Result;

pub use bench::BenchOptions;
pub use data::DataOptions;
pub use export::ExportOptions;
pub use list::ItemKind;
pub use plan::PlanOptions;
pub use playground::PlaygroundOptions;
pub use predict::{PairInput, PredictFormat, PredictOptions};
pub use run::RunOptions;
pub use sharded::ShardedRun;
pub use slurm::SlurmOptions;
pub use summary::SummaryOptions;
pub use verify::VerifyOptions;

use timing::Request;

use crate::{output::print, peak_memory::print_peak_memory};

/// A command with its options.
#[derive(Debug)]
pub enum Command {
    Run(Box<RunOptions>),
    Plan(PlanOptions),
    Slurm(SlurmOptions),
    List {
        kind: Option<ItemKind>,
        json: bool,
    },
    Summary(SummaryOptions),
    Predict(PredictOptions),
    Export(ExportOptions),
    Playground(PlaygroundOptions),
    Bench(BenchOptions),
    Report {
        dir: PathBuf,
    },
    Data(DataOptions),
    Verify(VerifyOptions),
    PeakMemory(Request),
    #[cfg(feature = "serve")]
    Serve(crate::serve::ServeOptions),
    /// Print a text that is known already.
    Print(String),
    /// Say why this program cannot do what is asked.
    #[cfg(not(feature = "serve"))]
    Refuse(&'static str),
}

impl Command {
    /// Executes the command. Results go to standard output.
    pub fn execute(&self) -> Result<()> {
        match self {
            Command::Run(options) => run::run(options),
            Command::Plan(options) => plan::plan(options),
            Command::Slurm(options) => slurm::slurm(options),
            Command::List { kind, json } => list::list(*kind, *json),
            Command::Summary(options) => summary::summary(options),
            Command::Predict(options) => predict::predict(options),
            Command::Export(options) => export::export(options),
            Command::Playground(options) => playground::playground(options),
            Command::Bench(options) => bench::bench(options),
            Command::Report { dir } => report::report(dir),
            Command::Data(options) => data::data(options),
            Command::Verify(options) => verify::verify(options),
            Command::PeakMemory(request) => print_peak_memory(request),
            #[cfg(feature = "serve")]
            Command::Serve(options) => crate::serve::serve(options),
            Command::Print(text) => print(text),
            #[cfg(not(feature = "serve"))]
            Command::Refuse(reason) => Err(crate::misuse::Misuse::new(*reason).into()),
        }
    }
}
