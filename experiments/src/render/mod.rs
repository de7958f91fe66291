//! Rows as text: for the terminal, as CSV, as a page.

mod bench;
mod csv;
mod markdown;
#[allow(dead_code)] // no suite names plots yet
mod plot;
mod table;

pub use bench::{comparison_page, comparison_table, speed_table};
pub use csv::{summary, trials};
pub use markdown::markdown;
pub use table::table;

use models::thousands;

use crate::{aggregate::Row, record::Measured};

/// The columns of the tables that people read; numbers from the second on.
const COLUMNS: [&str; 10] = [
    "head",
    "head parameters",
    "parameters",
    "MACs",
    "test top-1 (%)",
    "train top-1 (%)",
    "gap (points)",
    "training (images/s)",
    "inference (images/s)",
    "latency (µs)",
];

fn cells(row: &Row) -> [String; 10] {
    let number = |value: Option<f64>| value.map_or("–".into(), |value| format!("{value:.2}"));
    let speed = |measured: Option<Measured>| {
        measured.map_or("–".into(), |Measured { median, spread }| {
            format!("{} ± {:.0} %", thousands(median.round() as u64), 100. * spread)
        })
    };
    let mut top1 = number(row.top1.map(|top1| top1.mean));
    if let Some(sd) = row.top1.and_then(|top1| top1.sd) {
        top1 += &format!(" ± {sd:.2}");
    }
    if row.diverged > 0 {
        top1 += &format!(" ({} of {})", row.seeds, row.seeds + row.diverged);
    }
    if row.rising {
        top1 += " ↗";
    }
    [
        row.head.clone(),
        thousands(row.head_param_count as u64),
        thousands(row.param_count as u64),
        thousands(row.macs),
        top1,
        number(row.train_top1),
        number(row.generalisation_gap),
        speed(row.train_samples_per_sec),
        speed(row.infer_samples_per_sec),
        speed(row.latency_us),
    ]
}

/// The rows of each data set and model, and what to write above them.
fn by_model(rows: &[Row]) -> impl Iterator<Item = (String, &[Row])> {
    rows.chunk_by(|a, b| (&a.dataset, &a.model) == (&b.dataset, &b.model)).map(|rows| {
        let (seeds, row) = (rows.iter().map(|row| row.seeds).max().unwrap_or_default(), &rows[0]);
        let plural = if seeds == 1 { "" } else { "s" };
        let field = match &row.receptive_field {
            Some(sizes) => format!("{} px", sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("×")),
            None => "the whole image".into(),
        };
        (format!("{} on {}: {seeds} seed{plural}, receptive field {field}", row.model, row.dataset), rows)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::{
        aggregate,
        tests::{diverged, record},
    };

    fn records() -> Vec<crate::record::Record> {
        let mut one_seed = record("gap", 2, 0, 0.9335);
        one_seed.curve[0].val_top1 = Some(0.93);
        one_seed.speed = None;
        vec![
            record("fc", 0, 0, 0.98),
            record("fc", 0, 1, 0.985),
            record("fc:120,84", 1, 0, 0.97),
            one_seed,
            diverged("gmp", 3, 0),
        ]
    }

    #[test]
    fn the_terminal_shows_a_table_per_model_with_units() {
        insta::assert_snapshot!(table(&aggregate(&records(), &[]).0));
    }

    #[test]
    fn the_csv_has_the_columns_scripts_rely_on_and_leaves_empty_what_one_seed_cannot_give() {
        insta::assert_snapshot!(summary(&aggregate(&records(), &[]).0).unwrap());
    }

    #[test]
    fn the_page_has_question_protocol_tables_and_notes() {
        let (rows, left_out) = aggregate(&records(), &[]);
        insta::assert_snapshot!(markdown(&records(), &rows, &left_out));
    }
}
