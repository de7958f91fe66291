use std::collections::BTreeSet;

use super::row::{BenchRow, short_key_cells, short_keys};
use crate::{
    document::{Cell, Column, Table},
    number::{NONE, fixed},
};

/// Builds the table of what more threads could gain at most; `None` if that was not measured.
pub fn scaling_table(rows: &[BenchRow]) -> Option<Table> {
    let measured = rows.iter().filter_map(|row| row.scaling.as_ref());
    let threads: BTreeSet<usize> = measured.flat_map(|scaling| scaling.bounds.keys().copied()).collect();
    if threads.is_empty() {
        return None;
    }
    let mut columns = Vec::from(short_keys());
    columns.push(Column::number("serial (%)"));
    columns.extend(threads.iter().map(|threads| Column::number(format!("× on {threads}"))));
    let mut table = Table::new(columns);
    for row in rows {
        let number = |value: Option<f64>, places| {
            value.map_or_else(|| Cell::from(NONE), |value| Cell::number(fixed(value, places), value))
        };
        let scaling = row.scaling.as_ref();
        let mut cells = Vec::from(short_key_cells(row));
        cells.push(number(scaling.map(|scaling| 100. * scaling.serial_share), 1));
        let bound = |threads| scaling.and_then(|scaling| scaling.bounds.get(threads).copied());
        cells.extend(threads.iter().map(|threads| number(bound(threads), 1)));
        table.push(cells);
    }
    Some(table)
}
