//! DeepConv-DTI: whether a drug binds a protein.

mod config;
mod evidence;
mod glorot;
mod trained;
mod window;
mod winner;

pub use config::{Activation, DEEP_CONV_DTI, DeepConvDtiConfig, Preset};
pub use evidence::WindowEvidence;
pub use trained::{DeepConvDtiInfo, TrainedDeepConvDti};
pub use winner::WinningWindow;

use std::ops::Range;

use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;
use layers::{
    Description, Embedded, Embedding, EmbeddingOptions, Layer, Linear, Mode, Sequential, SpatialDropout, Stack,
};

use crate::Summary;
use glorot::glorot_normal;
use window::{Window, activate};

/// The ids of an embedding: padding, 20 amino acids and 5 rarer letters.
const IDS: usize = 26;
/// The dimensions of the embedding.
const DIMENSIONS: usize = 20;

/// DeepConv-DTI (Lee, Keum & Nam 2019): predicts from the residues of a protein and the fingerprint of a drug whether the drug
/// binds the protein.
///
/// | protein | drug |
/// | --- | --- |
/// | embedding of the residues, spatial dropout | |
/// | for each window size: convolution, batch normalisation, activation, **global max pooling** | |
/// | concatenation, dense layers | dense layers |
///
/// Both are concatenated, and further dense layers give one logit. Each dense layer but the last has batch normalisation, an
/// activation and, in the branches of protein and drug, dropout.
///
/// The authors' network ends in the probability (tanh(x) + 1) / 2, which is the sigmoid of 2x. This one returns 2x, so with
/// [`Loss::BinaryCrossEntropy`](training::Loss::BinaryCrossEntropy) it trains on the same loss, which cannot overflow. The
/// authors' penalty on the square of tanh(x) is left out. Batch normalisation has PyTorch's ε of 1e-5 and momentum of 0.1, where
/// Keras has 1e-3 and 0.01.
///
/// # Shapes
/// Ids (N, L) of u32, with 0 for padding, and fingerprints (N, bits) of f32 → logits (N, 1). `Pairs::batches` of the crate
/// `datasets` gives such inputs.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use models::{DeepConvDti, DeepConvDtiConfig};
/// use training::{Mode, Model, Parameters};
///
/// # fn main() -> candle_core::Result<()> {
/// let parameters = Parameters::seeded(0, &Device::Cpu);
/// let network = DeepConvDti::new(&DeepConvDtiConfig::default(), parameters.builder())?;
/// assert_eq!(network.summary()?.trainable_params, 491_913);
///
/// let protein = Tensor::new(&[[0u32, 0, 11, 1, 18, 15]], &Device::Cpu)?; // the residues MAKE
/// let drug = Tensor::zeros((1, 2048), DType::F32, &Device::Cpu)?;
/// assert_eq!(network.forward(&[protein, drug], Mode::Inference)?.dims(), [1, 1]);
/// # Ok(())
/// # }
/// ```
pub struct DeepConvDti {
    config: DeepConvDtiConfig,
    embedding: Embedding,
    spatial_dropout: SpatialDropout,
    windows: Vec<Window>,
    protein: Sequential,
    drug: Sequential,
    joint: Sequential,
    output: Linear,
}

impl DeepConvDti {
    /// Builds the network with parameters from `vb`, which are initialised as the authors do: kernels and the embedding from
    /// Glorot's normal distribution, biases 0.
    ///
    /// # Errors
    /// A configuration that is not possible, and parameters that `vb` has in other shapes.
    pub fn new(config: &DeepConvDtiConfig, vb: VarBuilder<'static>) -> Result<Self> {
        config.check()?;
        let vb = glorot_normal(vb);
        let protein = vb.pp("protein");
        let options = EmbeddingOptions::default().channels_first();
        let embedding = Embedding::new(IDS, DIMENSIONS, options, protein.pp("embedding"))?;
        let spatial_dropout = SpatialDropout::new(config.spatial_dropout, protein.pp("dropout").prefix())?;
        let embedded = [DIMENSIONS, config.length];
        let branch = |(i, &size)| Window::new(size, config, DIMENSIONS, protein.pp("windows").pp(i));
        let windows = config.windows.iter().enumerate().map(branch).collect::<Result<Vec<_>>>()?;
        let pooled = windows.iter().map(|window| Ok(window.describe(&embedded)?.output[0])).sum::<Result<usize>>()?;

        let dense = |inputs, widths: &[usize], dropout, vb| dense(inputs, widths, dropout, config.activation, vb);
        let (protein, protein_width) =
            dense(pooled, &config.protein_layers, Some(config.dropout), protein.pp("dense"))?;
        let (drug, drug_width) =
            dense(config.fingerprint_bits, &config.drug_layers, Some(config.dropout), vb.pp("drug"))?;
        let (joint, width) = dense(protein_width + drug_width, &config.joint_layers, None, vb.pp("joint"))?;
        let output = Linear::new(width, 1, vb.pp("output"))?;
        Ok(Self { config: config.clone(), embedding, spatial_dropout, windows, protein, drug, joint, output })
    }

    /// Returns the configuration.
    pub fn config(&self) -> &DeepConvDtiConfig {
        &self.config
    }

    /// Computes the features of each window size before they are pooled.
    ///
    /// # Shapes
    /// Ids (N, L) → for each window size, (N, filters, L).
    ///
    /// # Errors
    /// Ids that are not (N, L) of u32, or have no vector.
    pub fn features(&self, proteins: &Tensor, mode: Mode) -> Result<Vec<Tensor>> {
        let embedded = self.embed(proteins, mode)?;
        self.windows.iter().map(|window| window.features(&embedded, mode)).collect()
    }

    /// Returns the positions of a sequence of the configured length that the window at `position` covers. `window` is the index
    /// of its size.
    ///
    /// # Panics
    /// If there is no such window size.
    pub fn covered(&self, window: usize, position: usize) -> Range<usize> {
        self.windows[window].covered(position, self.config.length)
    }

    /// Returns the number of parameters of the head: of the poolings, and of the dense layers that take what is pooled.
    ///
    /// # Errors
    /// A configuration whose sizes overflow.
    pub fn head_params(&self) -> Result<usize> {
        let (embedded, mut pooled, mut params) = ([DIMENSIONS, self.config.length], 0, 0);
        for window in &self.windows {
            let pooling = window.describe_pooling(&embedded)?;
            pooled += pooling.output[0];
            params += pooling.params;
        }
        Ok(params + self.protein.describe(&[pooled])?.params)
    }

    /// Describes the layers, their shapes and costs, for sequences of the configured length.
    ///
    /// # Errors
    /// A configuration whose sizes overflow.
    pub fn describe(&self) -> Result<Description> {
        let embedding = self.embedding.describe(&[self.config.length])?;
        let (dropout, mut windows) = (self.spatial_dropout.describe(&embedding.output)?, Vec::new());
        for (i, window) in self.windows.iter().enumerate() {
            windows.push(window.describe(&embedding.output)?.at(i.to_string()));
        }
        let pooled = windows.iter().map(|window| window.output[0]).sum();
        let windows = Description::sum("Parallel", windows).with_output(vec![pooled]).at("windows");
        let dense = self.protein.describe(&[pooled])?.at("dense");
        let protein = vec![embedding.at("embedding"), dropout.at("dropout"), windows, dense];
        let protein = Description::chain("Protein", &[self.config.length], protein).at("protein");
        let drug = self.drug.describe(&[self.config.fingerprint_bits])?.at("drug");
        let joint = self.joint.describe(&[protein.output[0] + drug.output[0]])?.at("joint");
        let output = self.output.describe(&joint.output)?.at("output");
        Ok(Description::sum("DeepConvDti", vec![protein, drug, joint, output]))
    }

    /// Summarises the network layer by layer.
    ///
    /// # Errors
    /// Those of [`describe`](Self::describe).
    pub fn summary(&self) -> Result<Summary> {
        let mut summary = Summary::new(self.describe()?, &[self.config.length]);
        summary.further_inputs = vec![vec![self.config.fingerprint_bits]];
        summary.receptive_field = self.config.windows.iter().max().map(|&window| vec![window]);
        Ok(summary)
    }

    fn logits(&self, proteins: &Tensor, drugs: &Tensor, mode: Mode) -> Result<Tensor> {
        let (embedded, residues) = (self.embed(proteins, mode)?, self.residues(proteins)?);
        let pooled = self.windows.iter().map(|window| window.forward(&embedded, &residues, mode));
        self.logits_of(&pooled.collect::<Result<Vec<_>>>()?, drugs, mode)
    }

    /// Computes the logits from the vectors of all window sizes.
    fn logits_of(&self, pooled: &[Tensor], drugs: &Tensor, mode: Mode) -> Result<Tensor> {
        let pooled = Tensor::cat(pooled, 1)?;
        let both = Tensor::cat(&[self.protein.forward(&pooled, mode)?, self.drug.forward(drugs, mode)?], 1)?;
        self.output.forward(&self.joint.forward(&both, mode)?, mode)?.affine(2., 0.)
    }

    fn embed(&self, proteins: &Tensor, mode: Mode) -> Result<Embedded> {
        self.spatial_dropout.drop_channels(&self.embedding.embed(proteins, mode)?, mode)
    }

    /// Returns 1 for residues and 0 for padding, (N, L). Where padding is left out of the pooling, a sequence must have
    /// residues.
    fn residues(&self, proteins: &Tensor) -> Result<Tensor> {
        let residues = proteins.ne(0u32)?;
        if self.config.masked && residues.max(1)?.min_all()?.to_scalar::<u8>()? == 0 {
            bail!("a sequence is all padding; with `masked`, each needs at least one residue")
        }
        Ok(residues)
    }
}

impl training::Model for DeepConvDti {
    fn forward(&self, inputs: &[Tensor], mode: Mode) -> Result<Tensor> {
        match inputs {
            [proteins, drugs] => self.logits(proteins, drugs, mode),
            _ => bail!("DeepConv-DTI takes 2 inputs, ids of residues and fingerprints, not {}", inputs.len()),
        }
    }
}

/// Builds dense layers with batch normalisation, activation and dropout, and returns them with the width of the last.
fn dense(
    inputs: usize,
    widths: &[usize],
    dropout: Option<f64>,
    activation: Activation,
    vb: VarBuilder<'static>,
) -> Result<(Sequential, usize)> {
    let layers = widths.iter().fold(Stack::new(&[inputs], vb), |stack, &width| {
        let stack = activate(stack.linear(width).batch_norm(), activation);
        if let Some(p) = dropout { stack.dropout(p) } else { stack }
    });
    Ok((layers.build()?, widths.last().copied().unwrap_or(inputs)))
}
