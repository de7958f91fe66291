//! Numbers as text that people read: digits in groups, a true minus sign, and no minus before zero.

use num_format::{Locale, ToFormattedString};

/// The dash that stands where there is no number.
pub const NONE: &str = "–";

/// Formats a count with its digits in groups of three: `12,345`.
pub fn count(value: u64) -> String {
    value.to_formatted_string(&Locale::en)
}

/// Formats the nearest whole number with its digits in groups of three.
pub fn whole(value: f64) -> String {
    let sign = if value <= -0.5 { "−" } else { "" };
    format!("{sign}{}", count(value.abs().round() as u64))
}

/// Formats with this many digits after the point.
pub fn fixed(value: f64, digits: usize) -> String {
    let text = format!("{:.digits$}", value.abs());
    let is_zero = text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    if value < 0. && !is_zero { format!("−{text}") } else { text }
}

/// Adds a plus sign to a positive number that [`fixed`] or [`whole`] formatted.
pub fn signed(text: String) -> String {
    let has_digit = text.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
    if has_digit && !text.starts_with('−') { format!("+{text}") } else { text }
}

/// Formats with two significant digits: `0.035`.
pub fn two_significant(value: f64) -> String {
    let digits = if value == 0. { 1. } else { (1. - value.abs().log10().floor()).clamp(0., 9.) };
    fixed(value, digits as usize)
}

/// Formats a p-value: two significant digits, or below a thousandth, or close to 1.
pub fn p_value(p: f64) -> String {
    match p {
        p if p < 0.001 => "< 0.001".into(),
        p if p > 0.99 => "> 0.99".into(),
        p => two_significant(p),
    }
}

/// Formats sizes as `64x5x5`, as options and records spell them; a dash if there are none.
pub fn shape(sizes: &[usize]) -> String {
    if sizes.is_empty() { NONE.into() } else { joined(sizes, "x") }
}

/// Formats sizes as `10×10`, as running text and titles spell them.
pub fn extent(sizes: &[usize]) -> String {
    joined(sizes, "×")
}

fn joined(sizes: &[usize], separator: &str) -> String {
    sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(separator)
}

/// Writes the first letter as a capital.
pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_have_two_digits_that_matter_or_are_below_a_thousandth() {
        assert_eq!([0.0002, 0.0012, 0.0346, 0.5, 1.].map(p_value), ["< 0.001", "0.0012", "0.035", "0.50", "> 0.99"]);
    }

    #[test]
    fn what_rounds_to_zero_has_no_sign() {
        assert_eq!([-0.001, 0.001, -0.006].map(|value| fixed(value, 2)), ["0.00", "0.00", "−0.01"]);
        assert_eq!([-0.001, 0.001, -0.006, 0.5].map(|v| signed(fixed(v, 2))), ["0.00", "0.00", "−0.01", "+0.50"]);
        assert_eq!([-0.4, -1234.5, 12345.].map(|value| signed(whole(value))), ["0", "−1,235", "+12,345"]);
    }
}
