use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;
use layers::{
    Flatten, Sequential, Stack,
    graph::{Graph, Value},
};
use ops::prepared::Chain;

use crate::{
    ClassifierHead, Description, Evidence, HeadBuilder, HeadKind, Layer, Linear, Mode, Prepared, Reduction,
    gradient_times_activation,
};

pub(super) const FC: HeadKind = HeadKind::with_arguments("fc", "flatten, linear", parse)
    .usage("fc, fc:WIDTH[,WIDTH…], fc[:…]+dropP with 0 < P < 1")
    .examples(&[
        ("fc:128", "flatten, linear, ReLU, linear (any widths: fc:120,84)"),
        ("fc:128+drop0.5", "the same with dropout"),
    ]);

/// Parses `[:WIDTH,…][+dropP]`.
fn parse(arguments: &str) -> Option<HeadBuilder> {
    let (widths, dropout) = match arguments.split_once("+drop") {
        Some((widths, p)) => (widths, p.parse().ok().filter(|p| *p > 0. && *p < 1.)?),
        None => (arguments, 0.),
    };
    let widths: Vec<usize> = match widths {
        "" => Vec::new(),
        _ => widths.strip_prefix(':')?.split(',').map(positive).collect::<Option<_>>()?,
    };
    Some(HeadBuilder::new(print(&widths, dropout), move |features, classes, vb| {
        Ok(Box::new(FullyConnected::new(features, &widths, dropout, classes, vb)?))
    }))
}

fn positive(text: &str) -> Option<usize> {
    text.parse().ok().filter(|number| *number > 0)
}

fn print(widths: &[usize], dropout: f64) -> String {
    let mut text = String::new();
    if !widths.is_empty() {
        let widths: Vec<String> = widths.iter().map(usize::to_string).collect();
        text = format!(":{}", widths.join(","));
    }
    if dropout > 0. {
        text += &format!("+drop{dropout}");
    }
    text
}

/// Flattening, hidden linear layers with ReLU, and a linear layer.
///
/// Dropout precedes every linear layer except the first, or the only one if there are no hidden layers.
struct FullyConnected {
    features: Vec<usize>,
    /// The flattening and everything else before the last linear layer; `None` if that is all.
    hidden: Option<Sequential>,
    /// The path of the last linear layer's parameters; empty if it is the only layer.
    path: String,
    linear: Linear,
    /// True if no other layer has weights, so that the contributions of the positions sum to the logits.
    linear_in_features: bool,
}

impl FullyConnected {
    fn new(features: &[usize], widths: &[usize], dropout: f64, classes: usize, vb: VarBuilder) -> Result<Self> {
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

    fn check(&self, features: &[usize]) -> Result<()> {
        if features != self.features {
            bail!(
                "a head of fully connected layers is tied to features of {:?} and does not take {features:?}; \
                 heads with global pooling take any size",
                self.features
            )
        }
        Ok(())
    }
}

impl Layer for FullyConnected {
    fn forward(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        match &self.hidden {
            Some(_) => self.linear.forward(&self.pooled(features, mode)?, mode),
            None => {
                self.check(features.dims().get(1..).unwrap_or_default())?;
                self.linear.forward_flattened(features, mode, false)
            }
        }
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

    fn export(&self, input: &[usize], graph: &mut Graph, features: &Value) -> Result<Value> {
        self.check(input)?;
        let hidden = match &self.hidden {
            Some(hidden) => hidden.export(input, graph, features)?,
            None => Flatten.export(input, graph, features)?,
        };
        graph.scoped(&self.path, |graph| self.linear.export(&[], graph, &hidden))
    }
}

impl ClassifierHead for FullyConnected {
    fn pooled(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        self.check(features.dims().get(1..).unwrap_or_default())?;
        match &self.hidden {
            Some(hidden) => hidden.forward(features, mode),
            None => features.flatten_from(1),
        }
    }

    fn class_maps(&self, features: &Tensor) -> Result<Evidence> {
        let classes = self.linear.bias().dim(0)?;
        let maps = gradient_times_activation(features, classes, |f| self.forward(f, Mode::Eval))?;
        if self.linear_in_features {
            Ok(Evidence::new(maps, Some(self.linear.bias().clone()), Reduction::Sum))
        } else {
            Ok(Evidence::new(maps, None, Reduction::None))
        }
    }

    fn fixed_input(&self) -> bool {
        true
    }

    /// Exports the products of features and weights, summed over the channels: the gradient of a linear layer is its weight.
    fn export_class_maps(&self, features: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        self.check(features)?;
        if !self.linear_in_features {
            bail!(
                "the class maps of fully connected layers with hidden units need gradients, which cannot be exported; \
                 their logits can"
            )
        }
        let weight = graph.scoped(&self.path, |graph| graph.parameter("weight", self.linear.weight()))?;
        let shape: Vec<i64> = [self.linear.bias().dim(0)?].iter().chain(features).map(|&size| size as i64).collect();
        let (shape, before, channels) = (graph.ints(&shape)?, graph.ints(&[1])?, graph.ints(&[2])?);
        let weight = graph.node("Reshape", &[&weight, &shape], &[]);
        let xs = graph.node("Unsqueeze", &[xs, &before], &[]);
        let products = graph.node("Mul", &[&xs, &weight], &[]);
        Ok(graph.node("ReduceSum", &[&products, &channels], &[("keepdims", 0.into())]))
    }
}
