//! Records of training runs: their types, and the way from records to the rows of tables.
//!
//! - [`Record`] holds everything that is known about one run, and its [`RunConfig`] everything that determined it. Both
//!   are JSON by serde.
//! - [`read_records`] reads a folder of records, [`select`] chooses those that a table is made of, and [`rows`] aggregates
//!   them over seeds.
//! - [`Metric`] lists the numbers that tables, plots and comparisons show. A new metric is one entry of its table.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod bits;
mod config;
mod distinct;
mod estimate;
mod folder;
mod metric;
mod record;
mod row;
mod select;
mod trial;

#[doc(hidden)]
pub mod samples;

pub use bits::{bits, hex_bits};
pub use config::RunConfig;
pub use distinct::distinct;
pub use estimate::{Estimate, estimate, middle};
pub use folder::{ReadError, read_records};
pub use metric::{Better, Getter, Metric, Number, UnknownMetric};
pub use record::{
    Cpu, Diverged, EpochPoint, Measured, Outcome, Point, Record, Speed, Status, SuiteInfo, Timings, Versions, finite,
};
pub use row::{MeasuredPoint, Row, rows};
pub use select::{LeftOut, select};
pub use trial::Trial;
