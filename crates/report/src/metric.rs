//! Metrics in the words of tables and axes.

use records::Metric;

/// The title of a metric's column, or the label of its axis, with its unit: `latency (µs)`.
pub fn title(metric: Metric) -> String {
    match metric.unit() {
        "" => metric.label().into(),
        // The label says it.
        "epochs" => metric.label().into(),
        unit => format!("{} ({unit})", metric.label()),
    }
}

/// The number of digits after the point that a metric's values have in tables.
pub fn digits(metric: Metric) -> usize {
    match metric.unit() {
        "nats" => 3,
        "epochs" => 1,
        _ => 2,
    }
}
