use serde::Serialize;

use super::row::{BenchRow, Ratio, ratio_cell, short_key_cells, short_keys};
use crate::document::{Column, Table};

/// A comparison with an earlier run.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// The name of the file of the earlier run.
    pub file: String,
    /// How the rows have changed, in their order; `None` where the earlier run lacks the network or task.
    pub rows: Vec<Option<BaselineRow>>,
    /// How many times as fast as then a product of matrices is.
    pub product: Option<BaselineRow>,
}

/// How one speed has changed since an earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BaselineRow {
    /// How many times as fast as then; its range is that of any two rounds.
    #[serde(flatten)]
    pub ratio: Ratio,
    /// True if it is slower beyond the spread.
    pub slower: bool,
}

/// Builds the table of the comparison with an earlier run, whose remarks name what got slower.
pub fn baseline_table(rows: &[BenchRow], baseline: &Baseline) -> Table {
    let columns = [Column::number("× the baseline"), Column::text("remark")];
    let mut table = Table::new(short_keys().into_iter().chain(columns));
    for (row, change) in rows.iter().zip(&baseline.rows) {
        let remark = match change {
            Some(BaselineRow { slower: true, .. }) => "slower",
            Some(_) => "",
            None => "not in the baseline",
        };
        let cells = [ratio_cell(change.map(|change| change.ratio)), remark.into()];
        table.push(short_key_cells(row).into_iter().chain(cells));
    }
    table
}

/// The sentences below the table of the comparison with an earlier run.
pub fn baseline_notes(baseline: &Baseline) -> Vec<String> {
    let slower = baseline.rows.iter().flatten().filter(|change| change.slower).count();
    let measured = baseline.rows.iter().flatten().count();
    let mut notes = vec![format!(
        "`× the baseline` is the ratio of the medians of this run and of {}, with the range of the ratios of any two rounds. \
         {slower} of {measured} tasks are marked as slower: even the fastest round is slower than every round of the \
         baseline. Nothing is marked unless both runs have at least five rounds.",
        baseline.file
    )];
    if let Some(BaselineRow { ratio, slower }) = &baseline.product {
        let warning = if *slower {
            ". The machine itself is slower, so the remarks may say nothing about the program"
        } else {
            ""
        };
        notes.push(format!("A product of matrices is {} times as fast as it was then{warning}.", ratio.text()));
    }
    notes
}
