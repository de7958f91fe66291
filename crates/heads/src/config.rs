use std::{
    fmt,
    hash::{Hash, Hasher},
    str::FromStr,
};

use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use crate::{ClassifierHead, HeadBuilder, HeadKind, Pooling, registry};

/// A choice of head and its arguments, written as text: `fc`, `fc:120,84`, `fc:128+drop0.5`, `gap`, `gap:direct`,
/// `gmp-fc`, and every other kind that is built in or [registered](crate::register).
///
/// ```
/// use heads::HeadConfig;
///
/// let config: HeadConfig = "fc:128+drop0.5".parse()?;
/// assert_eq!(config.to_string(), "fc:128+drop0.5");
/// let error = "fc:none".parse::<HeadConfig>().unwrap_err();
/// assert!(error.to_string().starts_with("unknown head `fc:none`; the heads are fc, fc:WIDTH"));
/// # Ok::<(), heads::ParseHeadError>(())
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HeadConfig {
    kind: HeadKind,
    builder: HeadBuilder,
}

impl HeadConfig {
    /// Returns at least one head of every kind, with one line of description each: the built-in kinds first, then the
    /// registered ones.
    pub fn examples() -> Vec<(HeadConfig, &'static str)> {
        let texts = |kind: HeadKind| [(kind.name, kind.description)].into_iter().chain(kind.examples.iter().copied());
        let parsed = |(text, description): (&str, _)| Some((text.parse().ok()?, description));
        registry::kinds().into_iter().flat_map(texts).filter_map(parsed).collect()
    }

    /// Builds the head.
    pub(crate) fn build(
        &self,
        features: &[usize],
        classes: usize,
        vb: VarBuilder,
    ) -> candle_core::Result<Box<dyn ClassifierHead>> {
        self.builder.build(features, classes, vb)
    }

    /// Builds the pooling of the head without its linear layer, for features of `channels` channels; `None` if the head is not a
    /// pooling followed by a linear layer, as the built-in heads named `…-fc` are.
    ///
    /// ```
    /// use candle_core::{DType, Device, Tensor};
    /// use candle_nn::{VarBuilder, VarMap};
    /// use heads::{HeadConfig, Mode};
    ///
    /// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
    /// let pooling = "gmp-fc".parse::<HeadConfig>()?.pooling(3, vb.clone())?.expect("a pooling");
    /// let features = Tensor::new(&[[[1f32, 4.], [0., -1.], [2., 2.]]], &Device::Cpu)?;
    /// assert_eq!(pooling.pool(&features, Mode::Eval)?.to_vec2::<f32>()?, [[4., 0., 2.]]);
    /// assert!("fc".parse::<HeadConfig>()?.pooling(3, vb)?.is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Parameters that `vb` lacks or holds in another shape.
    pub fn pooling(&self, channels: usize, vb: VarBuilder) -> candle_core::Result<Option<Box<dyn Pooling>>> {
        self.kind.pooling().map(|build| build(channels, vb)).transpose()
    }

    fn key(&self) -> (&str, &str) {
        (self.kind.name, self.builder.arguments())
    }
}

impl PartialEq for HeadConfig {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for HeadConfig {}

impl Hash for HeadConfig {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Display for HeadConfig {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}{}", self.kind.name, self.builder.arguments())
    }
}

impl fmt::Debug for HeadConfig {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "HeadConfig({self})")
    }
}

/// A text that names no head. The message lists those that exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown head `{0}`; the heads are {known}", known = known_heads())]
pub struct ParseHeadError(String);

fn known_heads() -> String {
    registry::kinds().iter().map(|kind| kind.usage).collect::<Vec<_>>().join(", ")
}

impl FromStr for HeadConfig {
    type Err = ParseHeadError;

    fn from_str(text: &str) -> Result<Self, ParseHeadError> {
        let (name, arguments) = registry::split(text);
        let parse = || {
            let kind = registry::find(name)?;
            Some(Self { kind, builder: kind.parse(arguments)? })
        };
        parse().ok_or_else(|| ParseHeadError(text.to_string()))
    }
}

impl TryFrom<String> for HeadConfig {
    type Error = ParseHeadError;

    fn try_from(text: String) -> Result<Self, ParseHeadError> {
        text.parse()
    }
}

impl From<HeadConfig> for String {
    fn from(config: HeadConfig) -> Self {
        config.to_string()
    }
}

/// Parses a list of heads separated by commas. A comma before a digit belongs to a head: `fc:120,84,gap` is two heads.
///
/// # Errors
/// The first text that names no head.
///
/// ```
/// let heads = heads::parse_list("fc:120,84,gap")?;
/// assert_eq!(heads, ["fc:120,84".parse()?, "gap".parse()?]);
/// # Ok::<(), heads::ParseHeadError>(())
/// ```
pub fn parse_list(text: &str) -> Result<Vec<HeadConfig>, ParseHeadError> {
    let mut texts: Vec<String> = Vec::new();
    for part in text.split(',') {
        match texts.last_mut() {
            Some(last) if part.starts_with(|c: char| c.is_ascii_digit()) => *last += &format!(",{part}"),
            _ => texts.push(part.to_string()),
        }
    }
    texts.iter().map(|text| text.trim().parse()).collect()
}
