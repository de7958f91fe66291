//! How far the sweeps in a folder are, from the names of their files alone.

use std::{collections::HashSet, fs, path::Path, time::SystemTime};

use records::PlanInfo;
use serde::Serialize;

/// A suite in the folder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SuiteProgress {
    /// Its name, which is that of its folder.
    pub name: String,
    /// The number of runs in its plan.
    pub planned: usize,
    /// The number of those that have a record.
    pub finished: usize,
    /// The runs that have a checkpoint and no record: those that are being trained, or were interrupted.
    pub started: Vec<String>,
    /// The run that finished last.
    pub last: Option<String>,
    /// The time since the last record or checkpoint was written.
    pub seconds_since: Option<u64>,
    /// The runs whose weights are there.
    pub networks: Vec<String>,
}

/// The suites in the folder, by name. What cannot be read is left out.
pub fn progress(root: &Path) -> Vec<SuiteProgress> {
    let Ok(entries) = fs::read_dir(root) else { return Vec::new() };
    let mut suites: Vec<SuiteProgress> = entries.flatten().filter_map(|entry| of_suite(&entry.path())).collect();
    suites.sort_by(|a, b| a.name.cmp(&b.name));
    suites
}

fn of_suite(folder: &Path) -> Option<SuiteProgress> {
    if !folder.join("runs").is_dir() {
        return None;
    }
    let name = folder.file_name()?.to_string_lossy().into_owned();
    let records = stems(&folder.join("runs"), "json");
    let checkpoints = stems(&folder.join("checkpoints"), "safetensors");
    // Configurations are known by the beginning of their hash, which is at the end of a file's name.
    let plan = PlanInfo::read(folder).ok().flatten();
    let is_planned = |stem: &str| match &plan {
        Some(plan) => plan.seeds.iter().any(|(hash, seeds)| {
            seeds.iter().any(|seed| stem.ends_with(&format!(".seed{seed}.{}", &hash[..8.min(hash.len())])))
        }),
        None => true,
    };
    let finished: Vec<&(String, SystemTime)> = records.iter().filter(|(stem, _)| is_planned(stem)).collect();
    let names: HashSet<&str> = finished.iter().map(|(stem, _)| stem.as_str()).collect();
    let started = checkpoints.iter().filter(|(stem, _)| is_planned(stem) && !names.contains(stem.as_str()));
    let newest = records.iter().chain(&checkpoints).map(|(_, at)| *at).max();
    Some(SuiteProgress {
        name,
        planned: plan.as_ref().map_or(finished.len(), PlanInfo::runs),
        finished: finished.len(),
        started: started.map(|(stem, _)| stem.clone()).collect(),
        last: finished.iter().max_by_key(|(_, at)| *at).map(|(stem, _)| stem.clone()),
        seconds_since: newest.and_then(|at| at.elapsed().ok()).map(|elapsed| elapsed.as_secs()),
        networks: stems(&folder.join("weights"), "safetensors").into_iter().map(|(stem, _)| stem).collect(),
    })
}

/// The names without ending, sorted, and the times of a folder's files with this ending.
fn stems(folder: &Path, ending: &str) -> Vec<(String, SystemTime)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let stem = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let stem = name.strip_suffix(ending)?.strip_suffix('.')?.to_string();
        Some((stem, entry.metadata().ok()?.modified().ok()?))
    };
    let mut stems: Vec<(String, SystemTime)> = entries.flatten().filter_map(stem).collect();
    stems.sort();
    stems
}
