use std::{fmt, str::FromStr};

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{error::DatasetError, images::MAX_SIDE, random::below};

/// Random changes of training images, drawn anew for each image in each epoch. The default changes nothing.
///
/// ```
/// use datasets::Augmentation;
///
/// let augmentation = Augmentation { shift: 2, flip: true };
/// assert_eq!(augmentation.to_string(), "shift(2)+flip");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// The largest distance in pixels by which images are shifted along each axis. All distances are equally likely, and
    /// black pixels move in.
    #[serde(default)]
    pub shift: usize,
    /// True if every other image, at random, is mirrored left to right.
    #[serde(default)]
    pub flip: bool,
}

impl Augmentation {
    /// Returns whether no image is changed.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Checks that images can be shifted as far.
    ///
    /// # Errors
    /// A shift of more than [`MAX_SIDE`].
    pub fn check(&self) -> Result<(), DatasetError> {
        if self.shift > MAX_SIDE {
            Err(DatasetError::InvalidShift { shift: self.shift, limit: MAX_SIDE })
        } else {
            Ok(())
        }
    }

    /// Changes an image of this shape, in the order (channel, row, column).
    pub(crate) fn apply(&self, image: &[u8], [_, height, width]: [usize; 3], rng: &mut ChaCha8Rng) -> Vec<u8> {
        let [down, right] = [0, 1].map(|_| below(2 * self.shift + 1, rng));
        let flipped = self.flip && below(2, rng) == 1;
        // The pixel from which a pixel at `to` comes, if it lies within the image.
        let from = |to: usize, distance: usize, size: usize| {
            (to + self.shift).checked_sub(distance).filter(|&from| from < size)
        };
        let columns: Vec<Option<usize>> =
            (0..width).map(|x| from(x, right, width).map(|x| if flipped { width - 1 - x } else { x })).collect();
        let mut changed = Vec::with_capacity(image.len());
        for plane in image.chunks_exact(height * width) {
            for y in 0..height {
                let row = from(y, down, height).map(|y| &plane[y * width..][..width]);
                changed.extend(columns.iter().map(|x| row.zip(*x).map_or(0, |(row, x)| row[x])));
            }
        }
        changed
    }
}

impl fmt::Display for Augmentation {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self { shift: 0, flip: false } => f.write_str("none"),
            Self { shift: 0, flip: true } => f.write_str("flip"),
            Self { shift, flip: false } => write!(f, "shift({shift})"),
            Self { shift, flip: true } => write!(f, "shift({shift})+flip"),
        }
    }
}

impl FromStr for Augmentation {
    type Err = String;

    /// Parses the text that [`Display`](fmt::Display) writes.
    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("unknown augmentation `{text}`; possible are none, flip, shift(N) and shift(N)+flip");
        let (shift, flip) = match text.split_once('+') {
            Some((shift, "flip")) => (shift, true),
            None if text == "flip" => return Ok(Self { shift: 0, flip: true }),
            None if text == "none" => return Ok(Self::default()),
            None => (text, false),
            Some(_) => return Err(invalid()),
        };
        let shift = shift.strip_prefix("shift(").and_then(|rest| rest.strip_suffix(')')?.parse().ok());
        Ok(Self { shift: shift.ok_or_else(invalid)?, flip })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::random::stream;

    fn drawn(augmentation: Augmentation, count: u64) -> Vec<Vec<u8>> {
        // One channel whose pixels are 1 to 6, and one with 11 to 16.
        let image: Vec<u8> = (1..=6).chain(11..=16).collect();
        (0..count).map(|seed| augmentation.apply(&image, [2, 2, 3], &mut stream(b"test", seed, 0))).collect()
    }

    #[test]
    fn the_text_of_an_augmentation_is_parsed_again() {
        for (shift, flip) in [(0, false), (0, true), (3, false), (2, true)] {
            let augmentation = Augmentation { shift, flip };
            assert_eq!(augmentation.to_string().parse(), Ok(augmentation));
        }
        for invalid in ["", "shift", "shift(-1)", "flip+shift(2)", "shift(2)+", "flop"] {
            assert!(invalid.parse::<Augmentation>().is_err(), "{invalid}");
        }
    }

    #[test]
    fn without_changes_an_image_stays_as_it_is() {
        assert_eq!(drawn(Augmentation::default(), 1), [[1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]]);
    }

    #[test]
    fn shifts_by_all_distances_occur_and_black_moves_in() {
        let images: BTreeSet<Vec<u8>> = drawn(Augmentation { shift: 1, flip: false }, 500).into_iter().collect();
        assert_eq!(images.len(), 9);
        // Down and to the right, and up.
        assert!(images.contains(&vec![0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 11, 12]));
        assert!(images.contains(&vec![4, 5, 6, 0, 0, 0, 14, 15, 16, 0, 0, 0]));
    }

    #[test]
    fn about_half_of_the_images_are_mirrored() {
        let mirrored = vec![3, 2, 1, 6, 5, 4, 13, 12, 11, 16, 15, 14];
        let count =
            drawn(Augmentation { shift: 0, flip: true }, 1000).iter().filter(|image| **image == mirrored).count();
        assert!((420..580).contains(&count), "{count}");
    }
}
