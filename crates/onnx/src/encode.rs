use candle_core::{DType, Result, Tensor, bail};
use layers::graph::{Attribute, Dim, Graph, Node, Port};
use prost::Message;

use crate::messages;

/// The version of ONNX's format, and that of the operators, which graphs follow. Each is one that every program of the
/// last years reads.
const IR_VERSION: i64 = 8;
const OPERATORS: i64 = 17;

/// Encodes a graph as the bytes of an ONNX model, with texts as its metadata. Equal graphs give equal bytes.
///
/// # Errors
/// Fails if the graph has an element type other than f32 and i64.
pub fn encode(name: &str, graph: &Graph, metadata: &[(&str, String)]) -> Result<Vec<u8>> {
    let constants = graph.constants().iter().map(|(name, values)| tensor(name, values));
    let graph = messages::Graph {
        name: name.to_string(),
        node: graph.nodes().iter().map(node).collect(),
        initializer: constants.collect::<Result<_>>()?,
        input: graph.inputs().iter().map(port).collect::<Result<_>>()?,
        output: graph.outputs().iter().map(port).collect::<Result<_>>()?,
    };
    let metadata =
        metadata.iter().map(|(key, value)| messages::Metadata { key: key.to_string(), value: value.clone() });
    let model = messages::Model {
        ir_version: Some(IR_VERSION),
        producer_name: env!("CARGO_PKG_NAME").to_string(),
        producer_version: env!("CARGO_PKG_VERSION").to_string(),
        graph: Some(graph),
        opset_import: vec![messages::OperatorSet { domain: Some(String::new()), version: Some(OPERATORS) }],
        metadata_props: metadata.collect(),
    };
    Ok(model.encode_to_vec())
}

fn node(node: &Node) -> messages::Node {
    let attribute = |(name, value): &(&str, Attribute)| {
        let mut attribute = messages::Attribute { name: name.to_string(), ..Default::default() };
        match value {
            Attribute::Float(value) => (attribute.f, attribute.kind) = (Some(*value), 1),
            Attribute::Int(value) => (attribute.i, attribute.kind) = (Some(*value), 2),
            Attribute::Ints(values) => (attribute.ints, attribute.kind) = (values.clone(), 7),
        }
        attribute
    };
    messages::Node {
        input: node.inputs.iter().map(|input| input.name().to_string()).collect(),
        output: vec![node.output.name().to_string()],
        name: node.output.name().to_string(),
        op_type: node.operator.to_string(),
        attribute: node.attributes.iter().map(attribute).collect(),
    }
}

fn tensor(name: &str, tensor: &Tensor) -> Result<messages::Tensor> {
    let values = tensor.flatten_all()?;
    let raw_data = match tensor.dtype() {
        DType::F32 => values.to_vec1::<f32>()?.into_iter().flat_map(f32::to_le_bytes).collect(),
        _ => values.to_vec1::<i64>()?.into_iter().flat_map(i64::to_le_bytes).collect(),
    };
    Ok(messages::Tensor {
        dims: tensor.dims().iter().map(|&size| size as i64).collect(),
        data_type: data_type(tensor.dtype())?,
        name: name.to_string(),
        raw_data: Some(raw_data),
    })
}

fn port(port: &Port) -> Result<messages::ValueInfo> {
    let dimension = |dim: &Dim| {
        let size = match dim {
            Dim::Fixed(size) => messages::Size::Value(*size as i64),
            Dim::Symbolic(name) => messages::Size::Name(name.clone()),
        };
        messages::Dimension { size: Some(size) }
    };
    let shape = messages::Shape { dim: port.shape.iter().map(dimension).collect() };
    let tensor_type = messages::TensorType { elem_type: data_type(port.dtype)?, shape: Some(shape) };
    let value_type = Some(messages::Type { tensor_type: Some(tensor_type) });
    Ok(messages::ValueInfo { name: port.name.clone(), value_type })
}

/// Returns the number of an element type in ONNX.
fn data_type(dtype: DType) -> Result<i32> {
    match dtype {
        DType::F32 => Ok(1),
        DType::I64 => Ok(7),
        other => bail!("a graph with elements of {other:?} cannot be exported; f32 and i64 can"),
    }
}
