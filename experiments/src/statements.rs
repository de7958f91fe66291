//! What is said about pooling, in the order of an introduction to it.

/// The statements that claims of suites test, by the name that a claim gives as its `statement`, and in words.
pub const STATEMENTS: &[(&str, &str)] = &[
    ("S1", "Without pooling, a deeper network grows, slows down and over-fits"),
    ("S2", "Local pooling loses little information"),
    ("S3", "A smaller map speeds up all that follows"),
    ("S4", "Local pooling counters over-fitting"),
    ("S5", "For larger images and deeper networks, local pooling alone is not enough"),
    ("S6", "Flattening loses where things are"),
    ("S7", "Global pooling classifies without losing where things are"),
    ("S8", "With a channel per class, each gives one value, whatever the size of the map"),
    ("S9", "Global pooling saves much of the fully connected layer's work"),
    ("S10", "Global max pooling suits sequences of any length (DeepConv-DTI)"),
];
