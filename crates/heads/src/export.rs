use candle_core::Result;
use layers::graph::{Graph, Value};

use crate::Linear;

/// Exports the class activation map of a head whose last layer is this one: what
/// [`class_activation_map`](crate::class_activation_map) computes with its weight.
///
/// The weight is exported as the parameter of the head that it is.
///
/// # Shapes
/// `xs` (N, C, …) with the shape `features` behind the batch axis → (N, K, …).
///
/// # Errors
/// A device that cannot be read.
pub fn export_class_activation_map(
    linear: &Linear,
    features: &[usize],
    graph: &mut Graph,
    xs: &Value,
) -> Result<Value> {
    let weight = graph.parameter("weight", linear.weight())?;
    pointwise(features, graph, xs, &[&weight])
}

/// Exports a linear layer that is applied at each position, with the weight (D, C) and possibly a bias.
pub(crate) fn pointwise(features: &[usize], graph: &mut Graph, xs: &Value, parameters: &[&Value]) -> Result<Value> {
    let axes = spatial_axes(features, graph)?;
    let kernel = graph.node("Unsqueeze", &[parameters[0], &axes], &[]);
    let inputs: Vec<&Value> = [xs, &kernel].into_iter().chain(parameters[1..].iter().copied()).collect();
    Ok(graph.node("Conv", &inputs, &[]))
}

/// Returns the axes of features (N, C, …) behind the channels.
pub(crate) fn spatial_axes(features: &[usize], graph: &mut Graph) -> Result<Value> {
    let axes: Vec<i64> = (2..=features.len() as i64).collect();
    graph.ints(&axes)
}
