//! A network as a graph of operators, for export to other programs.
//!
//! [`Layer::export`](crate::Layer::export) adds a layer to a [`Graph`]. Operators and their attributes have the names of
//! [ONNX](https://onnx.ai/onnx/operators/), version 17 of its operator set, and are those of inference.

use std::collections::HashSet;

use candle_core::{DType, Device, Result, Tensor};
use ops::Window;

/// A network as a graph of operators: nodes in the order in which they are computed, with the parameters as constants.
///
/// ```
/// use candle_core::{DType, Device};
/// use candle_nn::{VarBuilder, VarMap};
/// use layers::{Layer, Stack, graph::{Dim, Graph}};
///
/// # fn main() -> candle_core::Result<()> {
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let net = Stack::new(&[1, 8, 8], vb).conv(4, 3).relu().flatten().linear(2).build()?;
///
/// let mut graph = Graph::default();
/// let batch = || Dim::Symbolic("batch".to_string());
/// let images = graph.input("images", DType::F32, vec![batch(), Dim::Fixed(1), Dim::Fixed(8), Dim::Fixed(8)]);
/// let logits = net.export(&[1, 8, 8], &mut graph, &images)?;
/// graph.output("logits", &logits, vec![batch(), Dim::Fixed(2)]);
///
/// let operators: Vec<_> = graph.nodes().iter().map(|node| node.operator).collect();
/// assert_eq!(operators, ["Conv", "Relu", "Flatten", "Gemm", "Identity"]);
/// let parameters: Vec<_> = graph.constants().iter().map(|(name, _)| name.as_str()).collect();
/// assert_eq!(parameters, ["0.weight", "0.bias", "3.weight", "3.bias"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Graph {
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    nodes: Vec<Node>,
    constants: Vec<(String, Tensor)>,
    /// The names of all values.
    names: HashSet<String>,
    /// The path of the layer that is exported.
    scope: String,
}

/// A tensor in a [`Graph`]: an input, a parameter, a constant or the result of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value(String);

impl Value {
    /// Returns the name, which is unique in the graph.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// An operator that is applied to values.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Node {
    /// The operator's name in ONNX, such as `Conv`.
    pub operator: &'static str,
    /// The values that it takes.
    pub inputs: Vec<Value>,
    /// Its result.
    pub output: Value,
    /// The attributes by their names in ONNX.
    pub attributes: Vec<(&'static str, Attribute)>,
}

/// The value of an attribute of a [`Node`].
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// A whole number.
    Int(i64),
    /// A list of whole numbers.
    Ints(Vec<i64>),
    /// A number.
    Float(f32),
}

/// An input or output of a [`Graph`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Port {
    /// The name of the value.
    pub name: String,
    /// The type of its elements.
    pub dtype: DType,
    /// Its shape.
    pub shape: Vec<Dim>,
}

/// The size of an axis of a [`Port`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// A size that the network is tied to.
    Fixed(usize),
    /// A size that is chosen when the graph is run. Equal names stand for equal sizes.
    Symbolic(String),
}

impl Graph {
    /// Declares an input.
    pub fn input(&mut self, name: &str, dtype: DType, shape: Vec<Dim>) -> Value {
        let value = self.unique(name);
        self.inputs.push(Port { name: value.0.clone(), dtype, shape });
        value
    }

    /// Declares a value of f32 as an output of this name.
    pub fn output(&mut self, name: &str, value: &Value, shape: Vec<Dim>) {
        let output = self.unique(name);
        self.outputs.push(Port { name: output.0.clone(), dtype: DType::F32, shape });
        self.nodes.push(Node { operator: "Identity", inputs: vec![value.clone()], output, attributes: Vec::new() });
    }

    /// Adds a node and returns its result.
    pub fn node(
        &mut self,
        operator: &'static str,
        inputs: &[&Value],
        attributes: &[(&'static str, Attribute)],
    ) -> Value {
        let output = self.unique(&join(&self.scope, operator));
        let inputs = inputs.iter().map(|&input| input.clone()).collect();
        self.nodes.push(Node { operator, inputs, output: output.clone(), attributes: attributes.to_vec() });
        output
    }

    /// Adds a parameter of the current layer, as f32. A layer has one parameter of a name: a second request returns the
    /// first.
    ///
    /// # Errors
    /// Fails if the device cannot be read.
    pub fn parameter(&mut self, name: &str, tensor: &Tensor) -> Result<Value> {
        let tensor = tensor.detach().to_dtype(DType::F32)?.to_device(&Device::Cpu)?;
        Ok(self.constant(join(&self.scope, name), tensor))
    }

    /// Adds a vector of whole numbers, such as the axes that some operators take as an input.
    ///
    /// # Errors
    /// Fails if there is no memory for it.
    pub fn ints(&mut self, values: &[i64]) -> Result<Value> {
        Ok(self.constant(format!("ints{values:?}"), Tensor::new(values, &Device::Cpu)?))
    }

    /// Adds a number, as a tensor without axes.
    ///
    /// # Errors
    /// Fails if there is no memory for it.
    pub fn float(&mut self, value: f32) -> Result<Value> {
        Ok(self.constant(format!("float {value:?}"), Tensor::new(value, &Device::Cpu)?))
    }

    /// Calls `export` for a part of the current layer whose parameters lie under `path`, which may be empty.
    pub fn scoped<T>(&mut self, path: &str, export: impl FnOnce(&mut Self) -> T) -> T {
        let inner = join(&self.scope, path);
        let outer = std::mem::replace(&mut self.scope, inner);
        let result = export(self);
        self.scope = outer;
        result
    }

    /// Returns the inputs.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// Returns the outputs.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// Returns the nodes; each follows those that it depends on.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Returns the parameters and other constants, f32 or i64, by name. A parameter's name is its path in the network.
    pub fn constants(&self) -> &[(String, Tensor)] {
        &self.constants
    }

    fn constant(&mut self, name: String, tensor: Tensor) -> Value {
        if !self.constants.iter().any(|(other, _)| *other == name) {
            self.names.insert(name.clone());
            self.constants.push((name.clone(), tensor));
        }
        Value(name)
    }

    /// Returns a value with this name, or with a number behind it if the name is taken.
    fn unique(&mut self, name: &str) -> Value {
        let mut value = name.to_string();
        let mut count = 1;
        while !self.names.insert(value.clone()) {
            count += 1;
            value = format!("{name}_{count}");
        }
        Value(value)
    }
}

impl From<f64> for Attribute {
    fn from(value: f64) -> Self {
        Self::Float(value as f32)
    }
}

impl From<usize> for Attribute {
    fn from(value: usize) -> Self {
        Self::Int(int(value))
    }
}

impl<const N: usize> From<[usize; N]> for Attribute {
    fn from(values: [usize; N]) -> Self {
        Self::Ints(values.map(int).to_vec())
    }
}

/// Converts a size. No tensor has one that is larger than a signed number, and a longer stride means the same.
pub(crate) fn int(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// Returns the attributes of an operator with a sliding window over two axes.
pub(crate) fn window_attributes(window: &Window) -> Vec<(&'static str, Attribute)> {
    let Window { kernel, stride, padding: [rows, columns], .. } = *window;
    vec![("kernel_shape", kernel.into()), ("strides", stride.into()), ("pads", [rows, columns, rows, columns].into())]
}

fn join(parent: &str, child: &str) -> String {
    let dot = if parent.is_empty() || child.is_empty() { "" } else { "." };
    format!("{parent}{dot}{child}")
}
