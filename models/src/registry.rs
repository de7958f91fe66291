use std::sync::{PoisonError, RwLock};

use heads::HeadConfig;

use crate::{Architecture, ParseModelError, RegisterError, zoo::BUILT_IN};

/// The models of other crates. They live as long as the program, so that a [`crate::ModelName`] can refer to them.
static REGISTERED: RwLock<Vec<&'static Architecture>> = RwLock::new(Vec::new());

/// Adds a model of another crate to the zoo. From then on it works wherever a built-in model does: [`list`], [`find`],
/// [`build`](crate::build), and parsing a [`ModelName`](crate::ModelName) know it.
///
/// See [`Architecture`] for an example.
///
/// # Errors
/// [`RegisterError`] if the name is taken or has other characters than ASCII letters, digits, `-`, `_` and `.`, or if
/// the default head is unknown. A head of another crate must be registered before.
pub fn register(architecture: Architecture) -> Result<&'static Architecture, RegisterError> {
    let name = architecture.name;
    let allowed = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    if name.is_empty() || !name.chars().all(allowed) {
        return Err(RegisterError::Name(name.to_string()));
    }
    let head = architecture.default_head.parse::<HeadConfig>();
    head.map_err(|source| RegisterError::Head { model: name.to_string(), source })?;

    let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
    if BUILT_IN.iter().chain(registered.iter().copied()).any(|other| other.name == name) {
        return Err(RegisterError::Taken(name.to_string()));
    }
    let architecture: &'static Architecture = Box::leak(Box::new(architecture));
    registered.push(architecture);
    Ok(architecture)
}

/// Lists all models: those of this crate, then those that were registered.
pub fn list() -> Vec<&'static Architecture> {
    let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    BUILT_IN.iter().chain(registered.iter().copied()).collect()
}

/// Finds a model by its name, without a width. A [`ModelName`](crate::ModelName) takes a name with a width apart.
///
/// # Errors
/// [`ParseModelError::Unknown`], which lists the available names.
pub fn find(name: &str) -> Result<&'static Architecture, ParseModelError> {
    let all = list();
    all.iter().copied().find(|architecture| architecture.name == name).ok_or_else(|| ParseModelError::Unknown {
        name: name.to_string(),
        available: all.iter().map(|architecture| architecture.name).collect::<Vec<_>>().join(", "),
    })
}
