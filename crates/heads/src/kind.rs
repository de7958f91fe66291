use std::{fmt, sync::Arc};

use candle_core::Result;
use candle_nn::VarBuilder;

use crate::{ClassifierHead, PoolLinear, Pooling};

/// A function that builds a head from the shape of the features, (C, L) or (C, H, W), the number of classes, and the
/// parameters.
pub type BuildHead = fn(&[usize], usize, VarBuilder) -> Result<Box<dyn ClassifierHead>>;

/// A function that builds a pooling for features of this number of channels with parameters from the builder.
pub type BuildPooling = fn(usize, VarBuilder) -> Result<Box<dyn Pooling>>;

/// A kind of head that can be chosen by name, such as `gap-fc` or `fc`. [`register`](crate::register) makes one from
/// another crate available.
///
/// The text of a head is the name of its kind, followed by arguments if the kind takes any. Arguments begin with `:` or
/// `+`, as in `fc:128+drop0.5`.
#[derive(Debug, Clone, Copy)]
pub struct HeadKind {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) usage: &'static str,
    pub(crate) examples: &'static [(&'static str, &'static str)],
    parser: Parser,
}

#[derive(Debug, Clone, Copy)]
enum Parser {
    NoArguments(BuildHead),
    Pooling(BuildPooling),
    Arguments(fn(&str) -> Option<HeadBuilder>),
}

impl HeadKind {
    /// Creates a kind without arguments from its name, one line of description, and the function that builds the head.
    ///
    /// The features that `build` gets have a channel axis and one or more spatial axes, none of them empty.
    ///
    /// ```
    /// use heads::{HeadKind, PoolLinear};
    /// # use heads::{Mode, Pooling, ops};
    /// # use candle_core::{Result, Tensor};
    /// # struct Min;
    /// # impl Pooling for Min {
    /// #     fn name(&self) -> &str { "GlobalMinPool" }
    /// #     fn pool(&self, xs: &Tensor, _: Mode) -> Result<Tensor> { ops::global_max_pool(&xs.neg()?)?.neg() }
    /// # }
    ///
    /// const OWN_MIN_FC: HeadKind = HeadKind::new("own-min-fc", "global minimum, linear", |features, classes, vb| {
    ///     Ok(Box::new(PoolLinear::new(Min, features[0], classes, vb)?))
    /// });
    /// heads::register(OWN_MIN_FC)?;
    /// # Ok::<(), heads::RegisterHeadError>(())
    /// ```
    pub const fn new(name: &'static str, description: &'static str, build: BuildHead) -> Self {
        Self { name, description, usage: name, examples: &[], parser: Parser::NoArguments(build) }
    }

    /// Creates a kind without arguments from its pooling, which a linear layer follows. The pooling is then available without
    /// the linear layer, too, by [`HeadConfig::pooling`](crate::HeadConfig::pooling).
    ///
    /// ```
    /// use heads::HeadKind;
    /// # use heads::{Mode, Pooling, ops};
    /// # use candle_core::{Result, Tensor};
    /// # struct Min;
    /// # impl Pooling for Min {
    /// #     fn name(&self) -> &str { "GlobalMinPool" }
    /// #     fn pool(&self, xs: &Tensor, _: Mode) -> Result<Tensor> { ops::global_max_pool(&xs.neg()?)?.neg() }
    /// # }
    ///
    /// const MIN_FC: HeadKind = HeadKind::pooled("min-fc", "global minimum, linear", |_, _| Ok(Box::new(Min)));
    /// heads::register(MIN_FC)?;
    /// # Ok::<(), heads::RegisterHeadError>(())
    /// ```
    pub const fn pooled(name: &'static str, description: &'static str, pooling: BuildPooling) -> Self {
        Self { name, description, usage: name, examples: &[], parser: Parser::Pooling(pooling) }
    }

    /// Creates a kind with arguments. The function `parse` gets the text after the name and returns `None` if it is not
    /// valid. Empty text must be valid, since the name alone is a head, too.
    ///
    /// A multilayer perceptron of one hidden layer, such as `mlp:32`, could be parsed like this:
    ///
    /// ```
    /// use heads::{HeadBuilder, HeadKind};
    /// # use candle_core::{Result, Tensor};
    /// # use candle_nn::VarBuilder;
    /// # use heads::{ClassifierHead, Description, Layer, Linear, Mode};
    /// # struct Mlp(Linear);
    /// # impl Mlp {
    /// #     fn new(features: &[usize], _: usize, classes: usize, vb: VarBuilder) -> Result<Self> {
    /// #         Ok(Self(Linear::new(features.iter().product(), classes, vb)?))
    /// #     }
    /// # }
    /// # impl Layer for Mlp {
    /// #     fn forward(&self, xs: &Tensor, m: Mode) -> Result<Tensor> { self.0.forward(&xs.flatten_from(1)?, m) }
    /// #     fn describe(&self, input: &[usize]) -> Result<Description> { self.0.describe(&[input.iter().product()]) }
    /// # }
    /// # impl ClassifierHead for Mlp {
    /// #     fn pooled(&self, xs: &Tensor, _: Mode) -> Result<Tensor> { xs.flatten_from(1) }
    /// # }
    ///
    /// fn parse(arguments: &str) -> Option<HeadBuilder> {
    ///     let hidden = match arguments {
    ///         "" => 64,
    ///         _ => arguments.strip_prefix(':')?.parse().ok()?,
    ///     };
    ///     Some(HeadBuilder::new(format!(":{hidden}"), move |features, classes, vb| {
    ///         Ok(Box::new(Mlp::new(features, hidden, classes, vb)?))
    ///     }))
    /// }
    ///
    /// const MLP: HeadKind = HeadKind::with_arguments("mlp", "linear to 64 units, ReLU, linear", parse)
    ///     .usage("mlp, mlp:WIDTH")
    ///     .examples(&[("mlp:32", "the same with 32 units")]);
    ///
    /// heads::register(MLP)?;
    /// let config: heads::HeadConfig = "mlp".parse()?;
    /// assert_eq!(config.to_string(), "mlp:64");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn with_arguments(
        name: &'static str,
        description: &'static str,
        parse: fn(&str) -> Option<HeadBuilder>,
    ) -> Self {
        Self { name, description, usage: name, examples: &[], parser: Parser::Arguments(parse) }
    }

    /// Sets how texts of this kind look, separated by commas, for the error message about an unknown head. By default
    /// only the name is listed.
    pub const fn usage(self, usage: &'static str) -> Self {
        Self { usage, ..self }
    }

    /// Sets further texts of this kind with one line of description each, which follow the name alone in
    /// [`HeadConfig::examples`](crate::HeadConfig::examples).
    pub const fn examples(self, examples: &'static [(&'static str, &'static str)]) -> Self {
        Self { examples, ..self }
    }

    /// Parses the text after the name.
    pub(crate) fn parse(&self, arguments: &str) -> Option<HeadBuilder> {
        match self.parser {
            Parser::NoArguments(build) => arguments.is_empty().then(|| HeadBuilder::new("", build)),
            Parser::Pooling(build) => arguments.is_empty().then(|| {
                HeadBuilder::new("", move |features, classes, vb| {
                    let pooling = build(features[0], vb.clone())?;
                    Ok(Box::new(PoolLinear::new(pooling, features[0], classes, vb)?))
                })
            }),
            Parser::Arguments(parse) => parse(arguments),
        }
    }

    /// Returns the function that builds the pooling of a [`pooled`](Self::pooled) kind.
    pub(crate) fn pooling(&self) -> Option<BuildPooling> {
        if let Parser::Pooling(build) = self.parser { Some(build) } else { None }
    }
}

/// The parsed arguments of a head, ready to build it for any features and classes.
#[derive(Clone)]
pub struct HeadBuilder {
    arguments: String,
    build: Arc<Build>,
}

type Build = dyn Fn(&[usize], usize, VarBuilder) -> Result<Box<dyn ClassifierHead>> + Send + Sync;

impl HeadBuilder {
    /// Creates a builder from the canonical text of its arguments and the function that builds the head, as in
    /// [`BuildHead`].
    ///
    /// Two heads of the same kind are equal if their arguments have the same text. Parsing that text must give an equal
    /// head.
    pub fn new(
        arguments: impl Into<String>,
        build: impl Fn(&[usize], usize, VarBuilder) -> Result<Box<dyn ClassifierHead>> + Send + Sync + 'static,
    ) -> Self {
        Self { arguments: arguments.into(), build: Arc::new(build) }
    }

    /// Returns the text of the arguments.
    pub(crate) fn arguments(&self) -> &str {
        &self.arguments
    }

    /// Builds the head.
    pub(crate) fn build(&self, features: &[usize], classes: usize, vb: VarBuilder) -> Result<Box<dyn ClassifierHead>> {
        (self.build)(features, classes, vb)
    }
}

impl fmt::Debug for HeadBuilder {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("HeadBuilder").field("arguments", &self.arguments).finish_non_exhaustive()
    }
}
