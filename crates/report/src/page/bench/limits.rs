use super::row::{BenchRow, Bound, short_key_cells, short_keys};
use crate::{
    document::{Cell, Column, Table},
    number::{NONE, two_significant, whole},
};

/// Builds the table of what each task computes and moves per second, which limit of the machine is the lower one, and what
/// it costs in memory and energy. There is no column of energy if none was measured.
pub fn limits_table(rows: &[BenchRow]) -> Table {
    let numbers = |titles: &[&str]| titles.iter().map(|title| Column::number(*title)).collect::<Vec<_>>();
    let mut columns = Vec::from(short_keys());
    columns.extend(numbers(&["GFLOP/s", "GB/s"]));
    columns.push(Column::text("bound"));
    columns.extend(numbers(&["reached (%)", "memory (MB)"]));
    let has_energy = rows.iter().any(|row| row.joules_per_image.is_some());
    if has_energy {
        columns.push(Column::number("mJ/image"));
    }
    let mut table = Table::new(columns);
    for row in rows {
        let number = |value: Option<f64>, text: fn(f64) -> String| {
            value.map_or_else(|| Cell::from(NONE), |value| Cell::number(text(value), value))
        };
        let bound = row.roofline.map_or(NONE, |roofline| match roofline.bound {
            Bound::Product => "product",
            Bound::Memory => "memory",
        });
        let mut cells = Vec::from(short_key_cells(row));
        cells.extend([
            number(Some(row.gflops), whole),
            number(row.roofline.map(|roofline| roofline.gb_per_sec), two_significant),
            bound.into(),
            number(row.roofline.map(|roofline| 100. * roofline.share), whole),
            number(row.peak_rss_mb, whole),
        ]);
        if has_energy {
            cells.push(number(row.joules_per_image.map(|joules| 1e3 * joules), two_significant));
        }
        table.push(cells);
    }
    table
}
