//! The record of a training run: configuration, curve, accuracy, speed; reading, writing, selecting, aggregating.

#![forbid(unsafe_code)]
#![warn(missing_docs)]
