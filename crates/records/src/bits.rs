//! Bits as hexadecimal digits.

/// Writes bits as hexadecimal digits of four bits each, of which the first is the highest. The last digit is padded with
/// zeros.
pub fn hex_bits(bits: &[bool]) -> String {
    let digit = |bits: &[bool]| (0..4).fold(0, |digit, i| digit << 1 | u32::from(bits.get(i) == Some(&true)));
    bits.chunks(4).filter_map(|bits| char::from_digit(digit(bits), 16)).collect()
}

/// Reads the first `count` bits that [`hex_bits`] wrote; `None` if there are fewer, or other characters.
pub fn bits(hex: &str, count: usize) -> Option<Vec<bool>> {
    let mut bits = Vec::with_capacity(4 * hex.len());
    for digit in hex.chars() {
        let digit = digit.to_digit(16)?;
        bits.extend((0..4).rev().map(|i| digit >> i & 1 == 1));
    }
    bits.truncate(count);
    (bits.len() == count).then_some(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_image_is_the_highest_bit() {
        assert_eq!(hex_bits(&[true, false, false, false, true, true]), "8c");
        assert_eq!(hex_bits(&[]), "");
    }

    #[test]
    fn bits_are_read_back() {
        assert_eq!(bits("8c", 6), Some(vec![true, false, false, false, true, true]));
        assert_eq!((bits("8c", 9), bits("8x", 6)), (None, None));
    }
}
