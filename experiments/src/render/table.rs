use tabled::{
    builder::Builder,
    settings::{
        Alignment, Modify, Style,
        object::{Columns, Rows},
    },
};

use super::{by_model, columns::columns};
use crate::aggregate::Row;

/// For the terminal: a table per data set and model.
pub fn table(rows: &[Row]) -> String {
    let columns = columns(rows);
    let first_number = columns.iter().take_while(|column| column.is_text).count();
    let mut text = String::new();
    for (title, rows) in by_model(rows) {
        let mut builder = Builder::default();
        builder.push_record(columns.iter().map(|column| column.title.replacen(" (", "\n(", 1))); // the unit on a line of its own
        rows.iter().for_each(|row| builder.push_record(columns.iter().map(|column| (column.cell)(row))));
        let mut table = builder.build();
        table
            .with(Style::sharp())
            .with(Modify::new(Columns::new(first_number..)).with(Alignment::right()))
            .with(Modify::new(Rows::first()).with(Alignment::left()));
        text += &format!("{title}\n{table}\n\n");
    }
    if rows.iter().any(|row| row.rising) {
        text += "↗ validation accuracy was still rising at the end: more epochs may help\n";
    }
    text
}
