use candle_core::{Result, bail};
use heads::HeadConfig;
use serde::{Deserialize, Serialize};

use super::DIMENSIONS;

/// The largest number of positions, above that of any protein.
const MOST_POSITIONS: usize = 1 << 16;
/// The largest number of weights: 2 GiB of f32, five times that of the paper's network with flattened features.
const MOST_WEIGHTS: f64 = (1 << 29) as f64;

/// The settings of a [`DeepConvDti`](crate::DeepConvDti). In a configuration file, those that are left out have the values of
/// [`DeepConvDtiConfig::default`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeepConvDtiConfig {
    /// The number of positions of a sequence, padding included. Only the head `fc` is tied to it.
    pub length: usize,
    /// The number of bits of a fingerprint.
    pub fingerprint_bits: usize,
    /// The sizes of the convolutions' windows, in residues.
    pub windows: Vec<usize>,
    /// The number of filters of each window size.
    pub filters: usize,
    /// The pooling after each convolution, as the head that begins with it: `gmp-fc` (the paper's global maximum), any other
    /// head that is a pooling followed by a linear layer, or `fc` to flatten. The dense layers of the protein take the place
    /// of the head's linear layer.
    pub head: HeadConfig,
    /// True if padding is left out of the pooling, so that it cannot win a maximum or dilute an average. The paper pools over
    /// padding, too. Possible with `gmp-fc` and `gap-fc`.
    pub masked: bool,
    /// The widths of the dense layers after the pooling; may be empty.
    pub protein_layers: Vec<usize>,
    /// The widths of the dense layers of the fingerprint; may be empty.
    pub drug_layers: Vec<usize>,
    /// The widths of the dense layers of protein and drug together; may be empty.
    pub joint_layers: Vec<usize>,
    /// The activation after every convolution and dense layer but the last.
    pub activation: Activation,
    /// The probability of dropout after the dense layers of protein and drug. The joint ones have none.
    pub dropout: f64,
    /// The probability with which a channel of the embedding is dropped.
    pub spatial_dropout: f64,
}

/// The activation function of a [`DeepConvDti`](crate::DeepConvDti).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Activation {
    /// The exponential linear unit.
    Elu,
    /// The rectified linear unit.
    Relu,
}

/// The defaults of the authors' script.
impl Default for DeepConvDtiConfig {
    fn default() -> Self {
        Self {
            length: 2500,
            fingerprint_bits: 2048,
            windows: vec![10, 15, 20, 25, 30],
            filters: 64,
            head: "gmp-fc".parse().expect("gmp-fc is a built-in head"),
            masked: false,
            protein_layers: vec![128, 64],
            drug_layers: vec![128],
            joint_layers: vec![256],
            activation: Activation::Elu,
            dropout: 0.2,
            spatial_dropout: 0.2,
        }
    }
}

impl DeepConvDtiConfig {
    /// Returns the configuration that the authors' README recommends.
    pub fn recommended() -> Self {
        Self {
            filters: 128,
            protein_layers: vec![128],
            drug_layers: vec![512, 128],
            joint_layers: vec![128],
            dropout: 0.,
            ..Self::default()
        }
    }

    /// Returns whether each feature map is flattened instead of pooled.
    pub(super) fn flattens(&self) -> bool {
        self.head.to_string() == "fc"
    }

    /// Checks what the layers do not check themselves.
    pub(super) fn check(&self) -> Result<()> {
        let head = self.head.to_string();
        if self.masked && head != "gmp-fc" && head != "gap-fc" {
            bail!("DeepConv-DTI with the head {head} cannot leave padding out; gmp-fc and gap-fc can")
        }
        let sizes = [self.length, self.fingerprint_bits, self.filters];
        let widths = [&self.windows, &self.protein_layers, &self.drug_layers, &self.joint_layers].into_iter().flatten();
        if sizes.iter().chain(widths).any(|&size| size == 0) || self.windows.is_empty() {
            bail!("{self:?} is not possible; there must be a window, and no size may be 0")
        }
        if self.length > MOST_POSITIONS {
            bail!("a sequence of {} positions is too long; at most {MOST_POSITIONS} are possible", self.length)
        }
        let weights = self.weights();
        if weights > MOST_WEIGHTS {
            bail!(
                "DeepConv-DTI would have {weights:.0} weights, and at most {MOST_WEIGHTS} are possible; use smaller windows, \
                 fewer filters or positions, or pool"
            )
        }
        Ok(())
    }

    /// The number of weights of convolutions and dense layers, where a pooling gives one value of each filter. It is a
    /// floating-point number, which does not overflow.
    fn weights(&self) -> f64 {
        let dense = |inputs: f64, widths: &[usize]| {
            widths.iter().fold((0., inputs), |(sum, inputs), &width| (sum + inputs * width as f64, width as f64))
        };
        let filters = self.filters as f64;
        let windows: f64 = self.windows.iter().map(|&window| DIMENSIONS as f64 * filters * window as f64).sum();
        let features = self.windows.len() as f64 * filters * if self.flattens() { self.length as f64 } else { 1. };
        let (protein, protein_width) = dense(features, &self.protein_layers);
        let (drug, drug_width) = dense(self.fingerprint_bits as f64, &self.drug_layers);
        let (joint, width) = dense(protein_width + drug_width, &self.joint_layers);
        windows + protein + drug + joint + width
    }
}

/// A configuration of DeepConv-DTI with a name.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Preset {
    /// The name, as in `deep-conv-dti`.
    pub name: &'static str,
    /// A description of one line, for lists of models.
    pub description: &'static str,
    /// Returns the configuration.
    pub config: fn() -> DeepConvDtiConfig,
}

/// The named configurations of DeepConv-DTI.
///
/// ```
/// assert_eq!(models::DEEP_CONV_DTI[0].name, "deep-conv-dti");
/// assert_eq!((models::DEEP_CONV_DTI[1].config)().filters, 128);
/// ```
pub static DEEP_CONV_DTI: &[Preset] = &[
    Preset {
        name: "deep-conv-dti",
        description: "protein and drug, with the defaults of the script of Lee et al. 2019",
        config: DeepConvDtiConfig::default,
    },
    Preset {
        name: "deep-conv-dti-recommended",
        description: "the same with the configuration that their README recommends",
        config: DeepConvDtiConfig::recommended,
    },
];
