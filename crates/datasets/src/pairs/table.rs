use std::{
    collections::HashMap,
    io::Read,
    path::{Path, PathBuf},
};

use csv::{Reader, ReaderBuilder, StringRecord};

use super::PairProblem;
use crate::error::DatasetError;

/// A CSV file that is read row by row, of which some columns are needed.
pub(super) struct Table<R> {
    path: PathBuf,
    reader: Reader<R>,
    /// The names of the needed columns, and where they are.
    columns: Vec<(String, usize)>,
}

impl<R: Read> Table<R> {
    /// Reads the header. The file may have further columns.
    pub fn new(path: &Path, reader: R, columns: &[&str]) -> Result<Self, DatasetError> {
        let mut reader = ReaderBuilder::new().from_reader(reader);
        let header = reader.headers().map_err(|error| csv_error(path, error))?;
        let find = |column: &&str| {
            let mut found = header.iter().enumerate().filter(|(_, name)| name == column).map(|(index, _)| index);
            match (found.next(), found.next()) {
                (Some(index), None) => Ok((column.to_string(), index)),
                (None, _) => Err(PairProblem::NoColumn {
                    column: column.to_string(),
                    available: header.iter().collect::<Vec<_>>().join(", "),
                }),
                (Some(_), Some(_)) => Err(PairProblem::TwoColumns(column.to_string())),
            }
        };
        let columns = columns.iter().map(find).collect::<Result<_, _>>();
        let columns = columns.map_err(|problem| at(path, 1, problem))?;
        Ok(Self { path: path.into(), reader, columns })
    }

    /// Calls `row` with the line and the needed columns of each row.
    pub fn for_each<const N: usize>(
        mut self,
        mut row: impl FnMut(u64, [&str; N]) -> Result<(), PairProblem>,
    ) -> Result<(), DatasetError> {
        let (mut record, mut is_empty) = (StringRecord::new(), true);
        // A row whose quotes span several lines has the line of its beginning.
        while self.reader.read_record(&mut record).map_err(|error| csv_error(&self.path, error))? {
            is_empty = false;
            let line = record.position().map_or(0, csv::Position::line);
            let values = std::array::from_fn(|i| &record[self.columns[i].1]);
            row(line, values).map_err(|problem| at(&self.path, line, problem))?;
        }
        if is_empty { Err(at(&self.path, 1, PairProblem::NoRows)) } else { Ok(()) }
    }

    /// Reads rows of an id and a value, makes an item of each, and returns the items with their positions by id.
    pub fn items<T>(
        self,
        mut item: impl FnMut(&str, &str) -> Result<T, PairProblem>,
    ) -> Result<(Vec<T>, HashMap<String, usize>), DatasetError> {
        let (mut items, mut positions, mut lines) = (Vec::new(), HashMap::new(), Vec::new());
        let column = self.columns[0].0.clone();
        self.for_each(|line, [id, value]| {
            if id.is_empty() {
                return Err(PairProblem::NoId(column.clone()));
            }
            if let Some(first) = positions.insert(id.to_string(), items.len()) {
                return Err(PairProblem::Duplicate { id: id.into(), first: lines[first] });
            }
            items.push(item(id, value)?);
            lines.push(line);
            Ok(())
        })?;
        Ok((items, positions))
    }
}

fn at(path: &Path, line: u64, problem: PairProblem) -> DatasetError {
    DatasetError::Pair { path: path.into(), line, problem }
}

fn csv_error(path: &Path, error: csv::Error) -> DatasetError {
    let line = error.position().map_or(1, csv::Position::line);
    DatasetError::Csv { path: path.into(), line, source: error }
}
