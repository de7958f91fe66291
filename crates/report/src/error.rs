/// The reason why a document could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A table could not be written as comma-separated values.
    #[error("the table cannot be written as CSV: {0}")]
    Csv(#[from] csv::Error),
    /// The buffer of a writer could not be taken.
    #[error("the table cannot be written as CSV: {0}")]
    Io(#[from] std::io::Error),
    /// A plot could not be drawn.
    #[error("plot `{file}` cannot be drawn: {reason}")]
    Plot {
        /// The plot's file, without its ending.
        file: String,
        /// The message of the drawing library.
        reason: String,
    },
}

/// The result of writing something.
pub type Result<T, E = Error> = std::result::Result<T, E>;
