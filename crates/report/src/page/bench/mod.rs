//! Tables of `bench`: the speed of networks here, what limits it, and how it compares with other programs and with an
//! earlier run.

mod baseline;
mod comparison;
mod limits;
mod page;
mod row;
mod scaling;
mod speeds;
#[cfg(test)]
mod tests;

pub use baseline::{Baseline, BaselineRow, baseline_notes, baseline_table};
pub use comparison::{best_peers, comparison_table};
pub use limits::limits_table;
pub use page::{Conditions, comparison_page, terminal_page};
pub use row::{BenchRow, BenchTask, Bound, Ratio, Roofline, Scaling};
pub use scaling::scaling_table;
pub use speeds::{NetworkSpeed, TaskDetails, speed_table};
