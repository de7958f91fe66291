use anyhow::Result;

use super::sharded::ShardedRun;
use crate::output::{print, quoted};

/// The options of `slurm`.
#[derive(Debug)]
pub struct SlurmOptions {
    pub sharded: ShardedRun,
    /// The number of cores of a task, which are its number of threads, too.
    pub cpus_per_task: usize,
    /// Further options of `sbatch` for the tasks, with their values.
    pub sbatch: Vec<(&'static str, String)>,
}

/// Prints a shell script that submits a job array, with one task per shard, and a job that merges the shards afterwards.
///
/// A task that is interrupted by its time limit, preempted or killed is queued again and goes on where it was.
pub fn slurm(options: &SlurmOptions) -> Result<()> {
    let SlurmOptions { sharded, cpus_per_task, sbatch } = options;
    sharded.plan()?;
    let out = quoted(&sharded.out().to_string_lossy());
    let sbatch: String = sbatch.iter().map(|(name, value)| format!(" --{name}={}", quoted(value))).collect();
    let (shards, suite) = (sharded.shards, &sharded.run.suite);
    let name = quoted(&format!("experiments-{suite}"));
    let (task, report) = (sharded.command("$SLURM_ARRAY_TASK_ID")?, sharded.report_command()?);
    print(&format!(
        r#"#!/bin/sh
# Trains a suite in {shards} shards, the tasks of a Slurm job array, and merges them. Start this script with `sh`.
set -eu
mkdir -p {out}/log
array=$(sbatch --parsable --job-name={name} --array=1-{shards} --cpus-per-task={cpus_per_task}{sbatch} \
    --requeue --open-mode=append --signal=INT@60 --output={out}/log/shard-%a.txt <<'TASK'
#!/bin/sh
# The program ends with 1 or 2 after an error, and with 130 when it is interrupted, as shortly before its time limit. After
# an interruption, and up to five times after it was killed, the task is queued again and goes on where it was.
srun {task} --threads "$SLURM_CPUS_PER_TASK" || {{
    code=$?
    if [ "$code" = 130 ] || {{ [ "$code" -gt 2 ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt 5 ]; }}; then
        scontrol requeue "$SLURM_JOB_ID"
    fi
    exit "$code"
}}
TASK
)
sbatch --job-name={name}-report --dependency=afterany:"$array"{sbatch} \
    --output={out}/log/report.txt <<'REPORT'
#!/bin/sh
srun {report}
REPORT
"#
    ))
}
