//! One file per command.

mod bench;
mod data;
mod index;
mod list;
mod report;
mod run;
mod summary;

use anyhow::Result;
use clap::Parser;

use crate::cli::{Cli, Command};

pub fn execute(cli: Cli) -> Result<()> {
    match cli.command {
        None => execute(Cli::parse_from(["experiments", "run", "heads"])),
        Some(Command::Run(options)) => run::run(&options),
        Some(Command::List { kind, json }) => list::list(kind, json),
        Some(Command::Summary { model, head, input, classes, json }) => {
            summary::summary(&model, head, input, classes, json)
        }
        Some(Command::Bench(options)) => bench::bench(&options),
        Some(Command::StockCandle) => crate::bench::serve(crate::bench::Stock),
        Some(Command::PeakMemory { request }) => crate::bench::print_peak_memory(&serde_json::from_str(&request)?),
        Some(Command::Report { dir }) => report::report(&dir),
        Some(Command::Data { dataset, data_dir, input, grid, json }) => {
            data::data(&dataset, data_dir, input, grid.as_deref(), json)
        }
    }
}
