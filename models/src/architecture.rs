use candle_core::{Context, Result};
use candle_nn::VarBuilder;
use heads::{HeadConfig, ParseHeadError};
use layers::Sequential;

use crate::{Backbone, Classifier, Naming, Width, naming::descend};

/// Builds the layers of a backbone for images of a shape (C, H, W), at a width, with parameters from the builder.
///
/// The function multiplies every number of channels by the width: `width.of(64)`.
pub type BuildLayers = fn(&[usize], Width, VarBuilder) -> Result<Sequential>;

/// A model of the zoo: how its backbone is built, and what it is used with by default.
///
/// An architecture of another crate starts with [`Architecture::new`] and joins the zoo by
/// [`register`](crate::register):
///
/// ```
/// use candle_core::Result;
/// use candle_nn::VarBuilder;
/// use layers::{Sequential, Stack};
/// use models::{Architecture, Naming, Width};
///
/// const ARCHITECTURE: Architecture = Architecture::new("one-conv", layers)
///     .description("a single convolution")
///     .default_input([1, 28, 28])
///     .naming(Naming::VGG);
///
/// fn layers(input: &[usize], width: Width, vb: VarBuilder) -> Result<Sequential> {
///     Stack::new(input, vb).conv_same(width.of(32), 3).relu().max_pool(2).build()
/// }
///
/// models::register(ARCHITECTURE)?;
/// assert_eq!("one-conv@0.5".parse::<models::ModelName>()?.architecture().default_head, "gap-fc");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Architecture {
    /// The name, as in `resnet8`: ASCII letters, digits, `-`, `_` and `.`.
    pub name: &'static str,
    /// A description of one line, for lists of models.
    pub description: &'static str,
    /// The head that it is built with by default, as text: `fc:120,84`.
    pub default_head: &'static str,
    /// The shape (C, H, W) of the images that it is built for by default.
    pub default_input: [usize; 3],
    /// The number of classes by default.
    pub default_classes: usize,
    /// The paths of its parameters.
    pub naming: Naming,
    /// Builds the layers of the backbone.
    pub layers: BuildLayers,
}

/// The options of a network that is built.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// The shape (C, H, W) of the images. The finished network also takes images of other sizes, unless the head is
    /// tied to one size, as `fc` is.
    pub input: [usize; 3],
    /// The number of classes.
    pub classes: usize,
    /// The head.
    pub head: HeadConfig,
    /// The multiplier of the backbone's channels. The classes and the head's hidden units are not multiplied.
    pub width: f64,
}

impl Architecture {
    /// Creates an architecture with the head `gap-fc`, for ten classes of RGB images of 32x32 pixels, with the paths
    /// [`Naming::VGG`] and without a description.
    pub const fn new(name: &'static str, layers: BuildLayers) -> Self {
        Self {
            name,
            description: "",
            default_head: "gap-fc",
            default_input: [3, 32, 32],
            default_classes: 10,
            naming: Naming::VGG,
            layers,
        }
    }

    /// Sets the description, one line for lists of models.
    pub const fn description(self, description: &'static str) -> Self {
        Self { description, ..self }
    }

    /// Sets the head that the model is built with by default.
    pub const fn default_head(self, default_head: &'static str) -> Self {
        Self { default_head, ..self }
    }

    /// Sets the shape (C, H, W) of the images that the model is built for by default.
    pub const fn default_input(self, default_input: [usize; 3]) -> Self {
        Self { default_input, ..self }
    }

    /// Sets the number of classes by default.
    pub const fn default_classes(self, default_classes: usize) -> Self {
        Self { default_classes, ..self }
    }

    /// Sets the paths of the parameters.
    pub const fn naming(self, naming: Naming) -> Self {
        Self { naming, ..self }
    }

    /// Returns the default options, with the width 1.
    ///
    /// # Errors
    /// [`ParseHeadError`] if the default head is unknown. [`register`](crate::register) refuses such a model, and those
    /// of this crate have known heads.
    pub fn config(&self) -> std::result::Result<ModelConfig, ParseHeadError> {
        let head = self.default_head.parse()?;
        Ok(ModelConfig { input: self.default_input, classes: self.default_classes, head, width: 1. })
    }

    /// Builds the backbone alone. Its parameters have the same paths under `vb` as in the whole network.
    ///
    /// # Errors
    /// If the width is not a positive number, or the input has the wrong shape or is too small. The message names the
    /// layer and the shape that it gets.
    pub fn backbone(&self, input: [usize; 3], width: f64, vb: VarBuilder) -> Result<Backbone> {
        let width = Width::new(width).map_err(candle_core::Error::wrap)?;
        let vb = descend(vb, self.naming.backbone);
        let layers = (self.layers)(&input, width, vb).with_context(|| format!("model {}", self.name))?;
        Backbone::new(width.name(self.name), layers, &input, self.naming)
    }

    /// Builds the network with parameters from `vb`.
    ///
    /// # Errors
    /// See [`Architecture::backbone`] and [`Backbone::build_head`].
    pub fn build(&self, config: &ModelConfig, vb: VarBuilder) -> Result<Classifier> {
        let backbone = self.backbone(config.input, config.width, vb.clone())?;
        let head = backbone.build_head(&config.head, config.classes, vb)?;
        Classifier::new(backbone, head)
    }
}
