//! The peak memory of a network. It is that of a process, so the program starts itself once more for each network.

use std::{fs, process::Command};

use anyhow::{Context, Result, ensure};
use rayon::ThreadPoolBuilder;
use timing::{OwnNetwork, Request};

use crate::output::print_json;

/// Measures the peak memory, in MB, of a process that executes this request and nothing else; `None` where the operating
/// system does not report it.
pub fn peak_memory(request: &Request) -> Result<Option<f64>> {
    let program = std::env::current_exe().context("cannot find the path of this program")?;
    let child = Command::new(program).arg("peak-memory").arg(serde_json::to_string(request)?).output()?;
    ensure!(child.status.success(), "cannot measure memory: {}", String::from_utf8_lossy(&child.stderr).trim_end());
    Ok(serde_json::from_slice(&child.stdout)?)
}

/// Executes a request and prints the peak memory of this process: the task of the process started by [`peak_memory`].
pub fn print_peak_memory(request: &Request) -> Result<()> {
    OwnNetwork::new(request)?.time(&ThreadPoolBuilder::new().num_threads(request.threads).build()?, None)?;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    print_json(&peak.map(|kib: f64| kib * 1024. / 1e6))
}
