//! Metrics in the words of tables and axes.

use records::Metric;

/// The title of a metric's column, or the label of its axis, with its unit: `latency (µs)`.
pub fn title(metric: Metric) -> String {
    match metric.unit() {
        "" => metric.label().into(),
        unit => format!("{} ({unit})", metric.label()),
    }
}
