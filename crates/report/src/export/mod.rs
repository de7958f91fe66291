//! The formats a document is written in, one file each.

mod csv;
mod html;
mod markdown;
mod terminal;

pub use csv::csv;
pub use html::html;
pub use markdown::markdown;
pub use terminal::terminal;

/// The name of a page's file as Markdown, which forges show.
pub const MARKDOWN_FILE: &str = "README.md";
/// The name of the same page's file as HTML. Links from page to page lead to the same format.
pub const HTML_FILE: &str = "report.html";
/// The first line of a page that the program writes next to the files of others, by which it is recognised: no other page is
/// overwritten. A page of HTML has it behind its document type.
pub const MARKER: &str = "<!-- Written by `experiments report`. -->\n";

/// Returns whether a page has the [`MARKER`].
pub fn is_written(page: &str) -> bool {
    page.strip_prefix("<!DOCTYPE html>").unwrap_or(page).starts_with(MARKER)
}
