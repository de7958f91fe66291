use crate::evidence::gradient_times_activation;
use crate::head::Body;
use crate::{Evidence, Reduction};
use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;
use layers::{Description, Flatten, Layer, Linear, Mode, Prepared, Sequential, Stack};
use ops::prepared::Chain;

/// `fc` and `fc:…`: flatten, hidden layers with ReLU and dropout, linear.
pub struct FullyConnected {
    features: Vec<usize>,
    /// Flatten and whatever comes before the last linear layer.
    hidden: Option<Sequential>,
    /// The path of the last linear layer, if it has one of its own.
    path: String,
    linear: Linear,
    /// Whether that is the only layer with weights, so that contributions add up to the logits.
    linear_in_features: bool,
}

impl FullyConnected {
    pub fn new(features: &[usize], widths: &[usize], dropout: f64, classes: usize, vb: VarBuilder) -> Result<Self> {
        let features = features.to_vec();
        let linear_in_features = widths.is_empty();
        if linear_in_features && dropout == 0. {
            let linear = Linear::new(features.iter().product(), classes, vb)?;
            return Ok(Self { features, hidden: None, path: String::new(), linear, linear_in_features });
        }
        let mut stack = Stack::new(&features, vb.clone()).flatten();
        for &width in widths {
            stack = stack.linear(width).relu();
            if dropout > 0. {
                stack = stack.dropout(dropout);
            }
        }
        if linear_in_features {
            stack = stack.dropout(dropout);
        }
        let inputs = stack.shape()?.iter().product();
        let hidden = stack.build()?;
        let path = hidden.len().to_string();
        let linear = Linear::new(inputs, classes, vb.pp(&path))?;
        Ok(Self { features, hidden: Some(hidden), path, linear, linear_in_features })
    }

    fn check(&self, shape: &[usize]) -> Result<()> {
        if shape != self.features {
            bail!(
                "a head of fully connected layers is tied to features of {:?} and can't take {shape:?}: \
                 global pooling can",
                self.features
            )
        }
        Ok(())
    }
}

impl Layer for FullyConnected {
    fn forward(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        self.linear.forward(&self.pooled(features, mode)?, mode)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        self.check(input)?;
        let mut children = match &self.hidden {
            Some(hidden) => hidden.describe(input)?.children,
            None => vec![Flatten.describe(input)?],
        };
        let inputs = children.last().map_or(input, |last| &last.output).to_vec();
        children.push(self.linear.describe(&inputs)?.at(&self.path));
        Ok(Description::chain("FullyConnected", input, children))
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        self.check(input)?;
        let hidden = self.hidden.as_ref().map(|hidden| hidden.prepare(input)).transpose()?;
        let inputs = self.linear.weight().dim(1)?;
        let linear = self.linear.prepare(&[inputs])?;
        Ok(Box::new(Chain::new(hidden.into_iter().chain([linear]).collect())?))
    }
}

impl Body for FullyConnected {
    fn pooled(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        self.check(&features.dims()[1..])?;
        match &self.hidden {
            Some(hidden) => hidden.forward(features, mode),
            None => features.flatten_from(1),
        }
    }

    fn class_maps(&self, features: &Tensor) -> Result<Evidence> {
        let classes = self.linear.bias().dim(0)?;
        let maps = gradient_times_activation(features, classes, |f| self.forward(f, Mode::Eval))?;
        if self.linear_in_features {
            Ok(Evidence { maps, bias: Some(self.linear.bias().clone()), reduction: Reduction::Sum })
        } else {
            Ok(Evidence { maps, bias: None, reduction: Reduction::None })
        }
    }

    fn fixed_input(&self) -> bool {
        true
    }
}
