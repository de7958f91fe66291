use std::{fmt, str::FromStr};

use crate::images::MAX_SIDE;

/// Channels, height and width of an image, written `1x28x28`.
///
/// ```
/// # use datasets::Shape;
/// assert_eq!("3x32x32".parse(), Ok(Shape([3, 32, 32])));
/// assert_eq!(Shape([1, 28, 28]).to_string(), "1x28x28");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape(pub [usize; 3]);

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sizes: Option<Vec<usize>> =
            text.split('x').map(|size| size.parse().ok().filter(|size| (1..=MAX_SIDE).contains(size))).collect();
        let shape = sizes.and_then(|sizes| sizes.try_into().ok()).map(Self);
        shape.ok_or_else(|| {
            format!("`{text}` is not CHANNELSxHEIGHTxWIDTH, as in 1x28x28, with sizes from 1 to {MAX_SIDE}")
        })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let [channels, height, width] = self.0;
        write!(f, "{channels}x{height}x{width}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_has_three_positive_sizes() {
        assert_eq!("3x32x32".parse(), Ok(Shape([3, 32, 32])));
        for invalid in ["28x28", "1x0x28", "1x28x28x1", "axbxc", "", "1x28x5000"] {
            assert!(invalid.parse::<Shape>().is_err(), "{invalid}");
        }
    }
}
