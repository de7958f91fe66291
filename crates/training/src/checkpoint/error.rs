use std::{io, path::PathBuf};

/// A checkpoint that cannot be used. The file is left as it is.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
#[non_exhaustive]
pub struct CheckpointError {
    /// The file.
    pub path: PathBuf,
    /// The reason why the file cannot be used.
    pub reason: Unusable,
}

/// The reason why a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// A file that cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A file that is incomplete, damaged or something else.
    #[error("this is not a complete checkpoint ({0})")]
    Damaged(String),
    /// A checkpoint that another version of this crate wrote.
    #[error("this checkpoint has format {found}; this version reads format {readable}")]
    OtherFormat {
        /// The format of the file.
        found: u64,
        /// The only format that can be read.
        readable: u64,
    },
    /// A checkpoint of another run or with other settings.
    #[error("this is the checkpoint of another run: {found}; expected: {expected}")]
    OtherRun {
        /// The run that the checkpoint belongs to.
        found: String,
        /// The run that it was read for.
        expected: String,
    },
    /// A checkpoint of another model.
    #[error("this checkpoint does not fit the model: {0}")]
    OtherModel(String),
}
