use std::path::PathBuf;

use anyhow::{Context, Result};

use super::run::RunOptions;
use crate::{misuse::Misuse, output::quoted, plan::Plan, suite};

/// A sweep that is divided among several processes or machines. Each shard has its own folder of results, which `report`
/// merges.
#[derive(Debug)]
pub struct ShardedRun {
    pub run: Box<RunOptions>,
    pub shards: usize,
    /// The arguments of `run`, as a shell reads them: those that are the same for all shards.
    pub arguments: String,
}

impl ShardedRun {
    /// Plans the suite's runs as `run` does.
    ///
    /// # Errors
    /// Those of a plan, and more shards than runs.
    pub fn plan(&self) -> Result<Plan> {
        let (suite, _) = self.run.load(&suite::find(&self.run.suite)?)?;
        let plan = Plan::new(&suite)?;
        let (shards, runs) = (self.shards, plan.runs.len());
        if shards > runs {
            return Err(
                Misuse::new(format!("--shards {shards} is more than the suite's number of runs, {runs}")).into()
            );
        }
        Ok(plan)
    }

    /// The folder that contains the shards' folders.
    pub fn out(&self) -> PathBuf {
        let suite = PathBuf::from(&self.run.suite);
        let name = suite.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        self.run.out.clone().unwrap_or_else(|| format!("{name}-shards").into())
    }

    /// The command of a shard. Its number may be a variable of the shell.
    pub fn command(&self, shard: &str) -> Result<String> {
        let (program, out) = (program()?, quoted(&self.out().to_string_lossy()));
        let Self { arguments, shards, .. } = self;
        Ok(format!("{program} run {arguments} --quiet --shard {shard}/{shards} --out {out}/shard-{shard}"))
    }

    /// The command that merges the shards.
    pub fn report_command(&self) -> Result<String> {
        Ok(format!("{} report {}", program()?, quoted(&self.out().to_string_lossy())))
    }
}

/// The path of this program, as a shell reads it.
fn program() -> Result<String> {
    let path = std::env::current_exe().context("cannot find the path of this program")?;
    Ok(quoted(&path.to_string_lossy()))
}
