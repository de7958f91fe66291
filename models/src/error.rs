use heads::ParseHeadError;

/// The reason why a text does not name a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseModelError {
    /// No model has this name.
    #[error("unknown model `{name}`; available: {available}; each also takes a width, as in `nin@0.25`")]
    Unknown {
        /// The unknown name.
        name: String,
        /// The names of all models, separated by commas.
        available: String,
    },
    /// The width is not a positive, finite number.
    #[error("invalid width `{0}` of a model; use a positive number, as in `nin@0.25`")]
    Width(String),
}

/// The reason why a model cannot be registered.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// Another model has this name.
    #[error("a model named `{0}` exists already; choose another name")]
    Taken(String),
    /// The name could not be written on a command line or in a suite.
    #[error("invalid name `{0}` of a model; use ASCII letters, digits, `-`, `_` and `.`, and at least one of them")]
    Name(String),
    /// The default head is unknown. A head of another crate must be registered before the model.
    #[error("invalid default head of the model `{model}`: {source}")]
    Head {
        /// The name of the model.
        model: String,
        /// The error of its head.
        source: ParseHeadError,
    },
}
