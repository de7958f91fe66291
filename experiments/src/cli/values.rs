//! What an option's value may be.

use std::{fmt, str::FromStr};

use clap::ValueEnum;
use heads::HeadConfig;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeviceKind {
    Cpu,
    Cuda,
    Metal,
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            DeviceKind::Cpu => "cpu",
            DeviceKind::Cuda => "cuda",
            DeviceKind::Metal => "metal",
        })
    }
}

#[derive(Clone, Debug)]
pub struct HeadList(pub Vec<HeadConfig>);

impl FromStr for HeadList {
    type Err = heads::ParseHeadError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        heads::parse_list(text).map(Self)
    }
}

/// Part `index` (from 1) of `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    pub index: usize,
    pub count: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parsed {
            Some((index, count)) if 1 <= index && index <= count => Ok(Self { index, count }),
            _ => Err("it is I/N with 1 ≤ I ≤ N, as in 1/2".into()),
        }
    }
}

/// Channels, height and width, as `1x28x28`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape(pub [usize; 3]);

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sizes: Option<Vec<usize>> =
            text.split('x').map(|size| size.parse().ok().filter(|size| (1..=LONGEST_SIDE).contains(size))).collect();
        let shape = sizes.and_then(|sizes| sizes.try_into().ok()).map(Self);
        shape.ok_or_else(|| format!("it is CHANNELSxHEIGHTxWIDTH, as in 1x28x28, none above {LONGEST_SIDE}"))
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self([channels, height, width]) = self;
        write!(f, "{channels}x{height}x{width}")
    }
}

/// What makes sense at most, here and in the file of a suite: beyond it numbers and memory would overflow.
pub const MOST_SEEDS: usize = 10_000;
pub const MOST_UPDATES: usize = 1 << 40;
pub const MOST_EPOCHS: usize = 1_000_000;
pub const MOST_IMAGES: usize = 1 << 31;
pub const MOST_THREADS: usize = 1024;
pub const MOST_CLASSES: usize = 1 << 20;
pub const LONGEST_SIDE: usize = 4096;

pub fn up_to<const MOST: usize>(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=MOST).contains(number));
    number.ok_or_else(|| format!("it is a whole number from 1 to {MOST}"))
}

pub fn positive_number(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.);
    number.ok_or_else(|| "it is a number above 0".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_counted_from_one_and_never_beyond_the_last() {
        assert_eq!("2/3".parse(), Ok(Shard { index: 2, count: 3 }));
        for senseless in ["3/2", "0/2", "1", "1/0", "a/b", "-1/2"] {
            assert!(senseless.parse::<Shard>().is_err(), "{senseless}");
        }
    }

    #[test]
    fn a_shape_has_three_positive_sizes() {
        assert_eq!("3x32x32".parse(), Ok(Shape([3, 32, 32])));
        for senseless in ["28x28", "1x0x28", "1x28x28x1", "axbxc", "", "1x28x5000"] {
            assert!(senseless.parse::<Shape>().is_err(), "{senseless}");
        }
    }
}
