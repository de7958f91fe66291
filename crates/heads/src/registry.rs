use std::sync::{PoisonError, RwLock};

use crate::{HeadKind, builtin};

/// The kinds that [`register`] added.
static REGISTERED: RwLock<Vec<HeadKind>> = RwLock::new(Vec::new());

/// Makes a kind of head available by its name: [`HeadConfig`](crate::HeadConfig) parses, prints and builds it like the
/// built-in ones. A program calls this once, before it parses any names.
///
/// See [`HeadKind::new`] for an example.
///
/// # Errors
/// A name that is taken or not valid, or an example that the kind itself does not parse.
pub fn register(kind: HeadKind) -> Result<(), RegisterHeadError> {
    check(&kind)?;
    let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
    if builtin::KINDS.iter().chain(registered.iter()).any(|other| other.name == kind.name) {
        return Err(RegisterHeadError::Taken(kind.name));
    }
    registered.push(kind);
    Ok(())
}

/// The reason why a kind of head could not be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterHeadError {
    /// Another kind has the same name.
    #[error("a head named `{0}` exists already; choose another name")]
    Taken(&'static str),
    /// The name would be ambiguous in the text of a head or in a list of heads.
    #[error("`{0}` cannot name a head; a name begins with a letter and consists of ASCII letters, digits, `-` and `_`")]
    Name(&'static str),
    /// The kind does not parse its name alone or one of its examples, or does not parse what it prints for them.
    #[error("`{0}` is given as an example of the head `{1}`, which does not parse it")]
    Example(&'static str, &'static str),
}

fn check(kind: &HeadKind) -> Result<(), RegisterHeadError> {
    let letters = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if !kind.name.starts_with(|c: char| c.is_ascii_alphabetic()) || !kind.name.chars().all(letters) {
        return Err(RegisterHeadError::Name(kind.name));
    }
    let stable = |text: &str| {
        let (name, arguments) = split(text);
        let printed = kind.parse(arguments).map(|builder| builder.arguments().to_string());
        name == kind.name && printed.and_then(|printed| kind.parse(&printed)).is_some()
    };
    let examples = kind.examples.iter().map(|(text, _)| *text);
    match [kind.name].into_iter().chain(examples).find(|text| !stable(text)) {
        Some(text) => Err(RegisterHeadError::Example(text, kind.name)),
        None => Ok(()),
    }
}

/// Returns all kinds, the built-in ones first.
pub(crate) fn kinds() -> Vec<HeadKind> {
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    builtin::KINDS.iter().chain(registered.iter()).copied().collect()
}

/// Returns the kind of this name.
pub(crate) fn find(name: &str) -> Option<HeadKind> {
    kinds().into_iter().find(|kind| kind.name == name)
}

/// Splits the text of a head into the name of its kind and its arguments.
pub(crate) fn split(text: &str) -> (&str, &str) {
    text.split_at(text.find([':', '+']).unwrap_or(text.len()))
}
