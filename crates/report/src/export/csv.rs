use ::csv::Writer;

use crate::{
    document::{Cell, Table},
    error::Result,
};

/// Writes a table as comma-separated values: the titles, then a line per row. Marks of the text are dropped.
///
/// # Errors
/// Returns what the writer reports, for example a row that lacks a cell.
pub fn csv(table: &Table) -> Result<String> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(table.columns.iter().map(|column| &column.title))?;
    for row in &table.rows {
        writer.write_record(row.iter().map(|Cell { text, .. }| text.plain()))?;
    }
    let bytes = writer.into_inner().map_err(|error| error.into_error())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
