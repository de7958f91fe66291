use std::{fmt, path::Path};

/// Replaces the characters of a name that would move the cursor, end the line or reverse the direction of the text by
/// escapes. Names of files and folders may contain them.
///
/// ```
/// assert_eq!(datasets::printable("Ankle boot, größe 7"), "Ankle boot, größe 7");
/// assert_eq!(datasets::printable("a\n\u{1b}[2J"), r"a\n\u{1b}[2J");
/// ```
pub fn printable(name: &str) -> String {
    let invisible =
        |c| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_control() || invisible(c) {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}

/// Displays a path in an error message.
pub(crate) fn shown(path: &Path) -> impl fmt::Display {
    printable(&path.display().to_string())
}
