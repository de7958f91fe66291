//! Parsers of option values. Each error says which value is wrong and what is possible.

use std::str::FromStr;

use heads::HeadConfig;

use crate::shard::Shard;

/// The value of `--heads`: a comma-separated list of heads, whose own commas are followed by a digit.
#[derive(Clone, Debug)]
pub struct HeadList(pub Vec<HeadConfig>);

impl FromStr for HeadList {
    type Err = heads::ParseHeadError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        heads::parse_list(text).map(Self)
    }
}

/// A number of things, or all of them if `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub Option<usize>);

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "all" => Ok(Self(None)),
            Ok(count) if count > 0 => Ok(Self(Some(count))),
            _ => Err("the value must be a whole number above 0, or `all`".into()),
        }
    }
}

/// Parses the value of `--shard`, `I/N`.
pub fn shard(text: &str) -> Result<Shard, String> {
    let parsed = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    match parsed {
        Some((index, count)) if 1 <= index && index <= count => Ok(Shard { index, count }),
        _ => Err("a shard is I/N with 1 ≤ I ≤ N, as in 1/2".into()),
    }
}

/// Parses a whole number from 1 to `MAX`.
pub fn up_to<const MAX: usize>(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=MAX).contains(number));
    number.ok_or_else(|| format!("the value must be a whole number from 1 to {MAX}"))
}

/// Parses a finite number above 0.
pub fn positive_number(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.);
    number.ok_or_else(|| "the value must be a number above 0".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_a_number_or_all() {
        assert_eq!("all".parse(), Ok(Count(None)));
        assert_eq!("3".parse(), Ok(Count(Some(3))));
        for invalid in ["0", "-1", "", "All", "1.5"] {
            assert!(invalid.parse::<Count>().is_err(), "{invalid}");
        }
    }

    #[test]
    fn a_shard_is_counted_from_one_and_never_beyond_the_last() {
        assert_eq!(shard("2/3"), Ok(Shard { index: 2, count: 3 }));
        for invalid in ["3/2", "0/2", "1", "1/0", "a/b", "-1/2"] {
            assert!(shard(invalid).is_err(), "{invalid}");
        }
    }
}
