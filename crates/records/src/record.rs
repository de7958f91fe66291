use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{config::RunConfig, confusion::Confusion, cpu::Cpu, point::Point};

/// A finished run. Shares are from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The suite that the run belongs to.
    pub suite: SuiteInfo,
    /// Everything that determined the result.
    pub config: RunConfig,
    /// [`RunConfig::hash`]: records with equal hashes are comparable.
    pub config_hash: String,
    /// The result of the run as a whole: success, or where it diverged.
    pub status: Status,
    /// One point after each completed epoch, or after ten evenly spaced ones of a longer run.
    pub curve: Vec<EpochPoint>,
    /// The accuracies after training; `None` if the run diverged or trained nothing.
    #[serde(rename = "final")]
    pub outcome: Option<Outcome>,
    /// How long the run took.
    pub timings: Timings,
    /// The speed of the network, measured apart from training, with all networks of the suite in turn.
    pub speed: Option<Speed>,
    /// The number of trainable parameters.
    pub param_count: usize,
    /// The number of trainable parameters of the head.
    pub head_param_count: usize,
    /// Multiply-accumulates for one image.
    pub macs: u64,
    /// The number of values in the outputs of all layers for one image.
    #[serde(default)]
    pub activations: usize,
    /// The shape (C, H, W) of the features that the head receives.
    #[serde(default)]
    pub features: Vec<usize>,
    /// Height and width in pixels of the receptive field of the features; `None` if it is the whole image.
    pub receptive_field: Option<Vec<usize>>,
    /// A hash of the trained weights.
    pub weights_sha256: String,
    /// One bit per test image, set if it was classified correctly; see [`hex_bits`](crate::hex_bits).
    pub test_hits: String,
    /// How often the test images of each class were classified as each class; `None` in records of earlier versions, and
    /// where there is no test accuracy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confusion: Option<Confusion>,
    /// The values that the suite measured besides accuracy.
    #[serde(default)]
    pub measures: Vec<Point>,
    /// The versions that decide the result.
    pub versions: Versions,
    /// The processor.
    pub cpu: Cpu,
    /// The number of threads that the run trained with.
    pub threads: usize,
}

/// The suite that a run belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuiteInfo {
    /// The name of the suite, which is also that of its folder of results.
    pub name: String,
    /// The question that the suite answers.
    pub question: String,
    /// The command line that was typed.
    pub command: String,
    /// The position of the variant in the suite.
    pub order: usize,
}

/// The result of a run as a whole: success, or where it diverged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The run was completed.
    Ok,
    /// The loss or the weights were no longer finite.
    Diverged(Diverged),
}

/// The place at which a run diverged. Epochs and steps count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diverged {
    /// The epoch.
    pub epoch: usize,
    /// The step, counted over all epochs.
    pub step: u64,
}

impl fmt::Display for Diverged {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { epoch, step } = self;
        write!(f, "diverged: the loss or the weights were no longer finite in epoch {epoch}, step {step}")
    }
}

/// A point of the training curve, after one epoch. A loss that is not finite is `None`, as JSON has no such number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochPoint {
    /// The epoch, counted from 0.
    pub epoch: usize,
    /// The mean loss over the training images during the epoch.
    pub train_loss: Option<f64>,
    /// The validation accuracy.
    pub val_top1: Option<f64>,
    /// The validation loss.
    pub val_loss: Option<f64>,
    /// The area under the receiver operating characteristic of the validation samples, of a network that ranks them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_auroc: Option<f64>,
}

/// The accuracies after the last epoch, in inference mode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The test accuracy.
    pub top1: f64,
    /// The test loss; `None` if it is not finite.
    pub test_loss: Option<f64>,
    /// The training accuracy.
    pub train_top1: f64,
    /// The validation accuracy; `None` if nothing was held out.
    pub val_top1: Option<f64>,
}

/// How long a run took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// The duration of training, while other runs were trained concurrently: not a measure of speed.
    pub train_seconds: f64,
}

/// The speed of a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// Images per second in training.
    pub train_samples_per_sec: Measured,
    /// The number of images per training step.
    pub train_batch_size: usize,
    /// Images per second in inference.
    pub infer_samples_per_sec: Measured,
    /// The number of images per forward pass.
    pub infer_batch_size: usize,
    /// The time of one image in microseconds.
    pub latency_us: Measured,
    /// The number of threads.
    pub threads: usize,
    /// The speeds that were measured in each round; `None` in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<Rounds>,
}

/// The rounds of a measurement of speed, in each of which every network had one turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rounds {
    /// The time in milliseconds since 1970 at which the measurement began. Networks with the same one took turns, so that
    /// their rounds are pairs.
    pub began_unix_ms: u64,
    /// The rounds, in the order of time.
    pub each: Vec<Round>,
}

/// The speed of a network in one round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// Images per second in training.
    pub train_samples_per_sec: f64,
    /// Images per second in inference.
    pub infer_samples_per_sec: f64,
    /// The time of one image in microseconds.
    pub latency_us: f64,
}

/// A number that was measured in several rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The median.
    pub median: f64,
    /// The interquartile range relative to the median.
    pub spread: f64,
}

/// The versions that decide a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// The version of this program.
    pub experiments: String,
    /// The version of candle.
    pub candle: String,
    /// The version of the crate `gemm`, in records of the time when it computed fully connected layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gemm: Option<String>,
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "experiments {}, candle {}", self.experiments, self.candle)?;
        self.gemm.iter().try_for_each(|gemm| write!(f, ", gemm {gemm}"))
    }
}

/// Returns a value that JSON can represent, and `None` for infinities and NaN.
pub fn finite(value: f64) -> Option<f64> {
    Some(value).filter(|value| value.is_finite())
}
