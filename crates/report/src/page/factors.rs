//! What tells rows apart besides data set, model and head.

use records::Row;

/// A part of the configuration in which the rows of a suite may differ.
pub struct Factor {
    /// Its name in CSV files.
    pub name: &'static str,
    /// The title of its column in tables.
    pub title: &'static str,
    /// Its value in a row, as tables show it.
    pub of: fn(&Row) -> String,
    /// The word after the value outside of a table, where no title explains it.
    unit: &'static str,
}

const FACTORS: [Factor; 3] = [
    Factor { name: "input", title: "input", of: |row| row.input.clone(), unit: "" },
    Factor { name: "train_size", title: "training images", of: |row| row.train_size.to_string(), unit: " images" },
    Factor { name: "setting", title: "setting", of: |row| row.setting.clone(), unit: "" },
];

impl Factor {
    /// The value where no title explains it: `500 images`; empty if there is none.
    pub fn words(&self, row: &Row) -> String {
        let value = (self.of)(row);
        if value.is_empty() { value } else { value + self.unit }
    }
}

/// The factors in which these rows differ.
pub fn varying(rows: &[Row]) -> Vec<&'static Factor> {
    let differs = |factor: &&Factor| rows.iter().any(|row| (factor.of)(row) != (factor.of)(&rows[0]));
    FACTORS.iter().filter(differs).collect()
}

/// The name of a row outside of a table: `nin gap on mnist, 500 images`, as far as the rows differ in it.
pub fn name(row: &Row, rows: &[Row]) -> String {
    let has_several = rows.iter().any(|other| other.dataset != row.dataset);
    let dataset = if has_several { format!(" on {}", row.dataset) } else { String::new() };
    let words = varying(rows).into_iter().map(|factor| factor.words(row)).filter(|words| !words.is_empty());
    let factors: String = words.map(|words| format!(", {words}")).collect();
    format!("{} {}{dataset}{factors}", row.model, row.head)
}

/// The rows of each data set and model.
pub fn by_model(rows: &[Row]) -> impl Iterator<Item = &[Row]> {
    rows.chunk_by(|a, b| (&a.dataset, &a.model) == (&b.dataset, &b.model))
}
