#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod bits;
mod check;
mod config;
mod confusion;
mod cpu;
mod curve;
mod distinct;
mod estimate;
mod file;
mod folder;
mod input;
mod metric;
mod plan_info;
mod plan_state;
mod point;
mod rates;
mod record;
mod row;
mod select;
mod store;
mod trial;

#[doc(hidden)]
pub mod samples;

pub use bits::{bits, hex_bits};
pub use check::RecordError;
pub use config::RunConfig;
pub use confusion::Confusion;
pub use cpu::Cpu;
pub use distinct::distinct;
pub use estimate::{Estimate, estimate, middle};
pub use file::{FileError, create_folder, file_name, write_file};
pub use folder::read_records;
pub use input::{read_input, read_text};
pub use metric::{Better, Getter, Metric, Number, UnknownMetric};
pub use plan_info::PlanInfo;
pub use plan_state::{BeginError, Claim, PlanState};
pub use point::Point;
pub use rates::{Rates, RatesError};
pub use record::{
    Diverged, EpochPoint, Measured, Outcome, Record, Round, Rounds, Speed, Status, SuiteInfo, Timings, Versions, finite,
};
pub use row::{MeasuredPoint, Row, rows};
pub use select::{LeftOut, select};
pub use store::{SetAside, Store, set_aside};
pub use trial::Trial;
