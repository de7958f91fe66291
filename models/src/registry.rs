use crate::{Backbone, Classifier, Width};
use crate::{all_cnn_c, lenet5, mobilenet_v1, nin, resnet8, resnet20, two_conv, vgg_small};
use candle_core::{Context, Result};
use candle_nn::VarBuilder;
use heads::{Head, HeadConfig, ParseHeadError};
use layers::{Layer, Sequential};

/// Every model there is, one line each.
static ARCHITECTURES: &[Architecture] = &[
    two_conv::ARCHITECTURE,
    two_conv::PADDED,
    two_conv::AVG_POOL,
    two_conv::STRIDED,
    two_conv::NO_POOL,
    lenet5::ARCHITECTURE,
    vgg_small::ARCHITECTURE,
    nin::ARCHITECTURE,
    all_cnn_c::ARCHITECTURE,
    resnet8::ARCHITECTURE,
    resnet20::ARCHITECTURE,
    mobilenet_v1::ARCHITECTURE,
];

/// A model of the zoo: how its backbone is built, and what it is usually used with.
#[derive(Debug)]
pub struct Architecture {
    pub name: &'static str,
    /// One line for lists.
    pub description: &'static str,
    /// The head it is usually used with, in text.
    pub default_head: &'static str,
    /// (C, H, W)
    pub default_input: [usize; 3],
    pub default_classes: usize,
    pub(crate) naming: Naming,
    pub(crate) layers: fn(&[usize], Width, VarBuilder) -> Result<Sequential>,
}

/// How a model's parameters are named, so that weights travel to and from PyTorch.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Naming {
    /// `features.N.…` and `classifier`, as torchvision's AlexNet and VGG.
    Plain,
    /// `conv1`, `layer1.0.conv1`, … and `fc`, as torchvision's ResNet.
    ResNet,
}

impl Naming {
    /// The paths of the backbone and the head.
    fn paths(self) -> (&'static str, &'static str) {
        match self {
            Naming::Plain => ("features", "classifier"),
            Naming::ResNet => ("", "fc"),
        }
    }
}

/// What a model is built for.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// (C, H, W); a head like `gap-fc` takes other sizes later, too.
    pub input: [usize; 3],
    pub classes: usize,
    pub head: HeadConfig,
    /// Multiplies the backbone's channels; never the classes or the head's hidden units.
    pub width: f64,
}

impl Architecture {
    /// The defaults: the input, classes and head it is usually used with, width 1.
    ///
    /// # Errors
    /// None for the models of this crate, whose default heads a test parses.
    pub fn config(&self) -> std::result::Result<ModelConfig, ParseHeadError> {
        let head = self.default_head.parse()?;
        Ok(ModelConfig { input: self.default_input, classes: self.default_classes, head, width: 1. })
    }

    /// Builds the backbone alone, with its parameters' names as in the whole network.
    ///
    /// # Errors
    /// A width that is not positive, or an input too small for the network: the message names the layer and the shape.
    pub fn backbone(&self, input: [usize; 3], width: f64, vb: VarBuilder) -> Result<Backbone> {
        let width = Width::new(width).map_err(candle_core::Error::wrap)?;
        let (prefix, _) = self.naming.paths();
        let vb = if prefix.is_empty() { vb } else { vb.pp(prefix) };
        let layers = (self.layers)(&input, width, vb).with_context(|| format!("model {}", self.name))?;
        let output = layers.describe(&input)?.output;
        Ok(Backbone { name: self.name, layers, input: input.to_vec(), output, prefix })
    }

    /// Builds the network with parameters from `vb`.
    ///
    /// # Errors
    /// Those of [`Architecture::backbone`], and of the head.
    pub fn build(&self, config: &ModelConfig, vb: VarBuilder) -> Result<Classifier> {
        let backbone = self.backbone(config.input, config.width, vb.clone())?;
        let (_, head_path) = self.naming.paths();
        let head = Head::new(&config.head, &backbone.output, config.classes, vb.pp(head_path))
            .with_context(|| format!("head {} on {}", config.head, self.name))?;
        Ok(Classifier { backbone, head, head_path })
    }
}

/// All models.
pub fn list() -> &'static [Architecture] {
    ARCHITECTURES
}

/// The model of this name (without a width).
pub fn find(name: &str) -> std::result::Result<&'static Architecture, ParseModelError> {
    let found = ARCHITECTURES.iter().find(|architecture| architecture.name == name);
    found.ok_or_else(|| ParseModelError::Unknown(name.to_string()))
}

/// Builds the model called `name`; its width is the configuration's.
///
/// # Errors
/// An unknown name, and those of [`Architecture::build`].
pub fn build(name: &str, config: &ModelConfig, vb: VarBuilder) -> Result<Classifier> {
    find(name).map_err(candle_core::Error::wrap)?.build(config, vb)
}

/// Why a text is not the name of a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseModelError {
    #[error("unknown model `{0}`; the models are {known}, each also as `NAME@WIDTH`", known = names())]
    Unknown(String),
    #[error("`{0}` is no width of a model: it must be a positive number, as in `nin@0.25`")]
    Width(String),
}

fn names() -> String {
    ARCHITECTURES.iter().map(|architecture| architecture.name).collect::<Vec<_>>().join(", ")
}
