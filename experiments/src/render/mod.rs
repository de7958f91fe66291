//! Rows as text: for the terminal, as CSV, as a page.

mod bench;
mod columns;
mod csv;
mod index;
mod maps;
mod markdown;
mod measures;
mod plot;
mod table;

pub use bench::{comparison_page, comparison_table, speed_table};
pub use csv::{measures, summary, trials};
pub use index::{Entry, index, is_index};
pub use maps::maps;
pub use markdown::{Parts, markdown};
pub use plot::{PlotSpec, draw};
pub use table::table;

use columns::{is_trained, shape};

use crate::aggregate::Row;

/// Fewer describe and prove nothing.
const SEEDS_FOR_A_TEST: usize = 10;

/// The rows of each data set and model, and what to write above them.
fn by_model(rows: &[Row]) -> impl Iterator<Item = (String, &[Row])> {
    rows.chunk_by(|a, b| (&a.dataset, &a.model) == (&b.dataset, &b.model)).map(|rows| (title(rows), rows))
}

fn title(rows: &[Row]) -> String {
    let row = &rows[0];
    let most = rows.iter().map(|row| row.seeds).max().unwrap_or_default();
    let fewer: Vec<&str> = rows.iter().filter(|row| row.seeds < most).map(|row| row.head.as_str()).collect();
    let trained = match most {
        _ if !is_trained(rows) => "nothing trained".into(),
        1 => "1 seed (descriptive)".into(),
        seeds if seeds < SEEDS_FOR_A_TEST => format!("{seeds} seeds (descriptive)"),
        seeds if fewer.is_empty() => format!("{seeds} seeds"),
        seeds => format!("{seeds} seeds ({} with fewer: descriptive)", fewer.join(", ")),
    };
    let field = match &row.receptive_field {
        Some(sizes) => format!("{} px", sizes.iter().map(usize::to_string).collect::<Vec<_>>().join("×")),
        None => "the whole image".into(),
    };
    let mut title = format!("{} on {}: {trained}, receptive field {field}", row.model, row.dataset);
    if !row.features.is_empty() && rows.iter().all(|other| other.features == row.features) {
        title += &format!(", features {}", shape(&row.features));
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        aggregate::{
            aggregate, rows,
            tests::{diverged, record},
        },
        select::select,
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
        let (records, left_out) = select(&records(), &[]);
        let parts = Parts {
            plots: vec!["![a plot](plot.svg)".into()],
            maps: vec!["![maps](maps.png)".into()],
            comparisons: "## Comparisons\n\n".into(),
        };
        insta::assert_snapshot!(markdown(&records, &rows(&records), &left_out, &parts));
    }
}
