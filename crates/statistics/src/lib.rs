//! Intervals, tests and claims for comparisons over seeds and test images.

#![forbid(unsafe_code)]
#![warn(missing_docs)]
