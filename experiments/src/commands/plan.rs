use anyhow::Result;
use report::{Cell, Column, Table, number};

use super::sharded::ShardedRun;
use crate::{
    output::{print, print_document},
    plan::Plan,
    shard::Shard,
};

/// The options of `plan`.
#[derive(Debug)]
pub struct PlanOptions {
    pub sharded: ShardedRun,
    /// True if one command per shard is printed, and nothing else.
    pub lines: bool,
}

/// Shows how a suite's runs are divided into shards, or prints the command of each shard.
pub fn plan(options: &PlanOptions) -> Result<()> {
    let PlanOptions { sharded, lines } = options;
    let plan = sharded.plan()?;
    if *lines {
        let commands = (1..=sharded.shards).map(|shard| sharded.command(&shard.to_string()));
        return print(&commands.collect::<Result<Vec<_>>>()?.join("\n"));
    }
    print_document(&table(&plan, sharded.shards).into())
}

fn table(plan: &Plan, shards: usize) -> Table {
    let cost = |shard| plan.shard(shard).map(|run| run.cost() as f64).sum::<f64>();
    let mut table = Table::new([Column::key("shard"), Column::number("runs"), Column::number("work (%)")]);
    for index in 1..=shards {
        let shard = Some(Shard { index, count: shards });
        let share = 100. * cost(shard) / cost(None);
        table.push([
            Cell::from(format!("{index}/{shards}")),
            Cell::from(number::count(plan.shard(shard).count() as u64)),
            Cell::number(number::fixed(share, 1), share),
        ]);
    }
    table
}
