//! Finds what should be renamed, where the names in a file are not those of a model.

/// The name and shape of a tensor.
type Named = (String, Vec<usize>);

/// The most names of each kind that are compared.
const MOST_NAMES: usize = 300;

/// Suggests to rename a path in a file so that tensors of the right shape get the names of parameters that are missing;
/// `None` if no single path explains any of them.
///
/// PyTorch names the layers of `Sequential(Flatten(), Linear(…))` `classifier.1.weight`, for example, where a model here may
/// have `classifier.weight`, and wrappers put `module.` before all names.
pub fn rename(missing: &[Named], unknown: &[Named]) -> Option<String> {
    let (missing, unknown) = (&missing[..missing.len().min(MOST_NAMES)], &unknown[..unknown.len().min(MOST_NAMES)]);
    let explained = |from: &str, to: &str| {
        let fits = |(name, shape): &&Named| {
            let Some(rest) = below(name, to) else { return false };
            unknown.iter().any(|(other, other_shape)| other_shape == shape && below(other, from) == Some(rest))
        };
        missing.iter().filter(fits).count()
    };
    let same_shape = |(a, b): &(&Named, &Named)| a.1 == b.1;
    let pairs = missing.iter().flat_map(|name| unknown.iter().map(move |other| (name, other))).filter(same_shape);
    let mut paths: Vec<(&str, &str)> = pairs.filter_map(|(name, other)| differing(&other.0, &name.0)).collect();
    paths.sort_unstable();
    paths.dedup();
    // Of paths that explain as much, the shortest says it most simply.
    let best = paths.into_iter().map(|(from, to)| (explained(from, to), from, to));
    let (count, from, to) = best.max_by_key(|(count, from, to)| (*count, usize::MAX - from.len() - to.len()))?;
    let change = match (from, to) {
        (from, "") => format!("without the `{from}.` at the start of their names"),
        ("", to) => format!("with `{to}.` before their names"),
        (from, to) => format!("with `{from}` renamed to `{to}`"),
    };
    Some(format!("{change}, {count} of the {} that are missing would be found in the file", missing.len()))
}

/// The part of a name below a path.
fn below<'a>(name: &'a str, path: &str) -> Option<&'a str> {
    if path.is_empty() { Some(name) } else { name.strip_prefix(path)?.strip_prefix('.') }
}

/// The paths in which two names differ before their common end; `None` if they have no common end.
fn differing<'a>(from: &'a str, to: &'a str) -> Option<(&'a str, &'a str)> {
    let common =
        from.rsplit('.').zip(to.rsplit('.')).take_while(|(a, b)| a == b).map(|(part, _)| part.len() + 1).sum::<usize>();
    let before = |name: &'a str| &name[..name.len().saturating_sub(common)];
    (common > 0).then(|| (before(from), before(to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[(&str, usize)]) -> Vec<Named> {
        names.iter().map(|(name, size)| (name.to_string(), vec![*size])).collect()
    }

    #[test]
    fn the_path_that_explains_most_is_suggested() {
        let missing = names(&[("classifier.weight", 6), ("classifier.bias", 2)]);
        let unknown = names(&[("classifier.1.weight", 6), ("classifier.1.bias", 2)]);
        let hint = rename(&missing, &unknown).unwrap();
        assert_eq!(
            hint,
            "with `classifier.1` renamed to `classifier`, 2 of the 2 that are missing would be found in the file"
        );
        let wrapped = names(&[("module.classifier.weight", 6), ("module.classifier.bias", 2)]);
        assert!(
            rename(&missing, &wrapped).unwrap().starts_with("without the `module.` at the start of their names, 2")
        );
        assert!(rename(&wrapped, &missing).unwrap().starts_with("with `module.` before their names, 2"));
    }

    #[test]
    fn nothing_is_suggested_for_other_shapes_and_other_names() {
        assert_eq!(rename(&names(&[("a.weight", 6)]), &names(&[("b.weight", 7)])), None);
        assert_eq!(rename(&names(&[("a.weight", 6)]), &names(&[("b.bias", 6)])), None);
        assert_eq!(rename(&[], &names(&[("b.bias", 6)])), None);
    }
}
