use std::{
    fs::{self, File, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use crate::{
    config::RunConfig,
    file::{FileError, RUNS, WEIGHTS, create_folder, remove_leftovers},
    store::Store,
};

/// The subfolder with everything that an unfinished sweep needs to go on.
const CHECKPOINTS: &str = "checkpoints";
/// The file that every process at work in the folder holds a shared lock of. It stays, so that all of them see the same one.
const LOCK: &str = ".lock";

/// The work on one plan in a store's folder, which several processes may share.
///
/// The folder `checkpoints` holds a subfolder for each plan that is not completed, with an empty file for each of its
/// finished runs; a file for each run that has been begun; and locks. The operating system frees the locks of a process that
/// dies, whatever kills it.
#[derive(Debug)]
pub struct PlanState {
    folder: PathBuf,
    checkpoints: PathBuf,
    marks: PathBuf,
    lock: File,
    /// True if an earlier sweep of the plan was not completed.
    pub is_resumed: bool,
    /// True if other processes were at work in the folder at the beginning.
    pub is_shared: bool,
}

/// The right of one process to work on something. It ends when the value is dropped.
#[derive(Debug)]
pub struct Claim {
    _lock: File,
}

/// The reason why the work on a plan cannot begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BeginError {
    /// A folder or file that cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A plan cannot be started over while another process is at work.
    #[error("another process is at work in {}; a plan can be started over when it has ended", .0.display())]
    InUse(PathBuf),
}

impl PlanState {
    /// Begins or resumes the work on the plan with this hash. With `fresh`, what is known about an earlier sweep of the plan
    /// is forgotten: which of `runs` are finished, and the checkpoints of the others. Their records stay.
    ///
    /// # Errors
    /// A folder that cannot be written, and with `fresh`, another process that is at work in it.
    pub fn begin(store: &Store, plan_hash: &str, fresh: bool, runs: &[RunConfig]) -> Result<Self, BeginError> {
        let folder = store.folder().to_path_buf();
        let checkpoints = folder.join(CHECKPOINTS);
        create_folder(&folder.join(RUNS))?;
        let path = folder.join(LOCK);
        let lock = open_lock(&path)?;
        let is_shared = match lock.try_lock() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => true,
            Err(TryLockError::Error(error)) => return Err(FileError::at(&path)(error).into()),
        };
        if fresh && is_shared {
            return Err(BeginError::InUse(folder));
        }
        let marks = checkpoints.join(plan_hash);
        let mut state = Self { marks, checkpoints, lock, is_resumed: false, is_shared, folder };
        if fresh {
            state.forget(runs)?;
        }
        // A process that completes its work cleans up under an exclusive lock, which is short.
        if !is_shared {
            state.lock.unlock().map_err(FileError::at(&path))?;
        }
        state.lock.lock_shared().map_err(FileError::at(&path))?;
        state.is_resumed = state.marks.is_dir();
        create_folder(&state.marks)?;
        Ok(state)
    }

    fn forget(&self, runs: &[RunConfig]) -> Result<(), FileError> {
        if self.marks.exists() {
            fs::remove_dir_all(&self.marks).map_err(FileError::at(&self.marks))?;
        }
        runs.iter().try_for_each(|run| remove_if_there(&self.checkpoint(run)))
    }

    /// Claims a run, so that no other process trains it at the same time; `None` if another one does.
    ///
    /// # Errors
    /// A lock that cannot be written.
    pub fn claim(&self, config: &RunConfig) -> Result<Option<Claim>, FileError> {
        self.claim_name(&config.file_stem())
    }

    /// Claims the measurement of speed and the completion of the plan.
    ///
    /// # Errors
    /// A lock that cannot be written.
    pub fn claim_completion(&self) -> Result<Option<Claim>, FileError> {
        let name = self.marks.file_name().unwrap_or_default();
        self.claim_name(&name.to_string_lossy())
    }

    fn claim_name(&self, name: &str) -> Result<Option<Claim>, FileError> {
        let path = self.checkpoints.join(format!("{name}.lock"));
        let lock = open_lock(&path)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Claim { _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(FileError::at(&path)(error)),
        }
    }

    /// Returns whether the run is finished. All are if another process has completed the plan.
    pub fn is_finished(&self, config: &RunConfig) -> bool {
        self.is_completed() || self.mark(config).exists()
    }

    /// Notes that the run is finished and its record is saved, and removes its checkpoint.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn finish(&self, config: &RunConfig) -> Result<(), FileError> {
        let mark = self.mark(config);
        match File::create(&mark) {
            // Another process has completed the plan with an earlier record of this run.
            Err(_) if self.is_completed() => {}
            created => drop(created.map_err(FileError::at(&mark))?),
        }
        remove_if_there(&self.checkpoint(config))
    }

    /// The file of a run's checkpoint.
    pub fn checkpoint(&self, config: &RunConfig) -> PathBuf {
        self.checkpoints.join(config.file_stem() + ".safetensors")
    }

    /// Returns whether another process has completed the plan.
    pub fn is_completed(&self) -> bool {
        self.folder.is_dir() && !self.marks.exists()
    }

    /// Completes the plan: the next sweep of it trains all its runs again.
    ///
    /// # Errors
    /// A folder that cannot be removed.
    pub fn complete(&self) -> Result<(), FileError> {
        // Renamed first, so that no interruption leaves half of the marks.
        let old = self.marks.with_extension("completed");
        let _ = fs::remove_dir_all(&old);
        match fs::rename(&self.marks, &old) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            renamed => renamed.and_then(|()| fs::remove_dir_all(&old)).map_err(FileError::at(&self.marks)),
        }
    }

    fn mark(&self, config: &RunConfig) -> PathBuf {
        self.marks.join(config.file_stem())
    }
}

impl Drop for PlanState {
    /// The last process in the folder removes the locks, what killed processes left under hidden names, and the folder of
    /// checkpoints if it is empty then. What remains after a failure does no harm.
    fn drop(&mut self) {
        if self.lock.unlock().is_err() || self.lock.try_lock().is_err() {
            return;
        }
        for folder in [&self.checkpoints, &self.folder.join(RUNS), &self.folder.join(WEIGHTS)] {
            remove_leftovers(folder);
        }
        let Ok(entries) = fs::read_dir(&self.checkpoints) else { return };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        for path in paths.filter(|path| path.extension().is_some_and(|extension| extension == "lock")) {
            let _ = fs::remove_file(path);
        }
        let _ = fs::remove_dir(&self.checkpoints);
    }
}

fn open_lock(path: &Path) -> Result<File, FileError> {
    // Some network file systems need both rights for locks.
    File::options().create(true).truncate(false).read(true).write(true).open(path).map_err(FileError::at(path))
}

fn remove_if_there(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(FileError::at(path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::record;

    #[test]
    fn a_run_belongs_to_one_process_at_a_time_and_a_plan_goes_on_where_it_was_left() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("heads"));
        let [fc, gap] = ["fc", "gap"].map(|head| record(head, 0, 0, 0.9).config);
        let runs = [fc.clone(), gap.clone()];
        let begin = |fresh| PlanState::begin(&store, "0123", fresh, &runs);

        // Two states behave like two processes, since each opens the locks by itself.
        let first = begin(false).unwrap();
        let second = begin(false).unwrap();
        assert_eq!((first.is_resumed, first.is_shared, second.is_shared), (false, false, true));
        assert!(begin(true).unwrap_err().to_string().contains("another process is at work in"));
        let claim = first.claim(&fc).unwrap().unwrap();
        assert!(second.claim(&fc).unwrap().is_none() && second.claim(&gap).unwrap().is_some());
        fs::write(first.checkpoint(&fc), "state").unwrap();
        first.finish(&fc).unwrap();
        drop(claim);
        assert!(second.is_finished(&fc) && !second.is_finished(&gap) && second.claim(&fc).unwrap().is_some());
        assert!(!first.checkpoint(&fc).exists());
        fs::write(first.checkpoint(&gap), "state").unwrap();
        // What a process leaves that is killed while it renames a file.
        let left = store.folder().join(RUNS).join(".fc.json.x0Y1z2");
        fs::write(&left, "record").unwrap();
        drop(first);
        assert!(left.exists(), "another process may be about to rename it");
        drop(second);
        assert!(!left.exists());

        let resumed = begin(false).unwrap();
        assert!(resumed.is_resumed && !resumed.is_shared && resumed.is_finished(&fc));
        let other = PlanState::begin(&store, "4567", false, &runs).unwrap();
        assert!(!other.is_resumed && !other.is_finished(&fc) && other.checkpoint(&gap).exists());
        drop((resumed, other));

        let fresh = begin(true).unwrap();
        assert!(!fresh.is_resumed && !fresh.is_finished(&fc) && !fresh.checkpoint(&gap).exists());
        let waiting = begin(false).unwrap();
        let claim = fresh.claim_completion().unwrap().unwrap();
        assert!(waiting.claim_completion().unwrap().is_none() && !waiting.is_completed());
        fresh.complete().unwrap();
        drop(claim);
        assert!(waiting.is_completed() && waiting.is_finished(&gap));
        waiting.finish(&gap).unwrap();
        drop((fresh, waiting));
        PlanState::begin(&store, "4567", false, &runs).unwrap().complete().unwrap();
        assert!(!store.folder().join(CHECKPOINTS).exists());
    }
}
