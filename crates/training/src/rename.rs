//! Finds out whether tensors only have other names.

use std::{collections::BTreeMap, fmt};

use candle_core::Tensor;

/// A change of the beginning of names with which tensors of a file fit a model.
pub struct Renaming<'a> {
    /// The beginning of the names in the file, without the dot behind it; empty if the model's names are longer.
    file: &'a str,
    /// The beginning of the names in the model, without the dot behind it; empty if the file's names are longer.
    model: &'a str,
    /// The number of tensors that it makes fit.
    tensors: usize,
}

impl<'a> Renaming<'a> {
    /// Returns the change that makes most tensors of the file fit parameters of the model which have no tensor.
    pub fn find(unknown: &'a BTreeMap<String, Tensor>, missing: &'a [(String, Vec<usize>)]) -> Option<Self> {
        let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for (name, tensor) in unknown {
            for (parameter, _) in missing.iter().filter(|(_, shape)| shape == tensor.dims()) {
                *counts.entry(without_common_end(name, parameter)).or_default() += 1;
            }
        }
        // A name that has nothing in common with the parameter's is no pattern.
        let last = |name: &str| !name.is_empty() && !name.contains('.');
        counts.retain(|(file, model), tensors| *tensors > 1 || !(last(file) && last(model)));
        let ((file, model), tensors) = counts.into_iter().max_by_key(|(_, tensors)| *tensors)?;
        Some(Self { file, model, tensors })
    }
}

impl fmt::Display for Renaming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let pattern = |start: &str| if start.is_empty() { "NAME".to_string() } else { format!("{start}.NAME") };
        let (file, model, tensors) = (pattern(self.file), pattern(self.model), self.tensors);
        write!(f, "{tensors} of the file's tensors would fit if `{file}` were renamed to `{model}`")
    }
}

/// Splits off the parts of two names, between dots, that are the same at the end.
fn without_common_end<'a>(a: &'a str, b: &'a str) -> (&'a str, &'a str) {
    let common = a.rsplit('.').zip(b.rsplit('.')).take_while(|(a, b)| a == b);
    let length: usize = common.map(|(part, _)| part.len() + 1).sum();
    let start = |name: &'a str| name.get(..(name.len() + 1).saturating_sub(length + 1)).unwrap_or_default();
    (start(a), start(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_two_names_are_their_beginnings() {
        for (a, b, expected) in [
            ("classifier.1.weight", "classifier.weight", ("classifier.1", "classifier")),
            ("module.conv1.weight", "conv1.weight", ("module", "")),
            ("conv1.weight", "stem.conv1.weight", ("", "stem")),
            ("a.weight", "b.bias", ("a.weight", "b.bias")),
            ("weight", "weight", ("", "")),
        ] {
            assert_eq!(without_common_end(a, b), expected);
        }
    }
}
