use std::fmt;

use candle_core::Result;
use layers::{Description, Layer};
use report::{
    Cell, Column, Document, Table,
    number::{NONE, count, shape},
};
use serde::Serialize;

use crate::naming::join;

/// The width of the table that [`Summary`] displays, in columns.
const DISPLAY_WIDTH: usize = 80;

/// The layers of a network with their shapes and costs for one input, like the table of torchinfo.
///
/// It displays itself as a table for a terminal of 80 columns and serialises to JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// The name of the model, or the kind of the layer: `resnet8`, `Sequential`.
    pub model: String,
    /// The shape of the input without the batch axis, as in (C, H, W).
    pub input: Vec<usize>,
    /// The shapes of the second input and those behind it, if the network has several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further_inputs: Vec<Vec<usize>>,
    /// The number of stored values: trainable parameters and running statistics.
    pub params: usize,
    /// The number of trainable parameters.
    pub trainable_params: usize,
    /// The multiply-accumulates of convolutions and linear layers for one input.
    pub macs: u64,
    /// The receptive field of the features: the number of pixels of the input, along each axis, that one of their
    /// positions depends on. The features are the output of the last layer before one that depends on the whole input,
    /// such as global pooling. `None` if already the first layer depends on the whole input.
    pub receptive_field: Option<Vec<usize>>,
    /// The layers in their order. A layer made of others comes before them.
    pub layers: Vec<LayerSummary>,
}

/// A row of a [`Summary`]: one layer. Its counts are without those of the layers it is made of, so the rows add up to
/// the totals.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LayerSummary {
    /// The full path of its parameters: `layer1.0.conv1`, where `layer1.0.conv1.weight` is one of them.
    pub path: String,
    /// The type and settings: `Conv2d(1, 6, 5x5, padding 2)`.
    pub kind: String,
    /// The shape of the output without the batch axis.
    pub output: Vec<usize>,
    /// The number of stored values: trainable parameters and running statistics.
    pub params: usize,
    /// The number of trainable parameters.
    pub trainable_params: usize,
    /// The multiply-accumulates for one input.
    pub macs: u64,
    /// The number of layers that contain it, without the network itself.
    pub depth: usize,
}

/// Summarises any layer or network for an `input` of this shape, without the batch axis and without computing anything.
///
/// ```
/// use candle_core::{DType, Device};
/// use candle_nn::{VarBuilder, VarMap};
/// use layers::Stack;
///
/// # fn main() -> candle_core::Result<()> {
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let layers = Stack::new(&[3, 32, 32], vb).conv_same(16, 3).batch_norm().relu().max_pool(2).build()?;
/// let summary = models::summary(&layers, &[3, 32, 32])?;
///
/// assert_eq!((summary.trainable_params, summary.params), (480, 512));
/// assert_eq!(summary.layers[1].trainable_params, 32); // batch normalisation
/// assert_eq!(summary.receptive_field, Some(vec![4, 4]));
/// println!("{summary}");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If the network does not take the input.
pub fn summary(network: &dyn Layer, input: &[usize]) -> Result<Summary> {
    Ok(Summary::new(network.describe(input)?, input))
}

fn add_rows(descriptions: &[Description], parent: &str, depth: usize, rows: &mut Vec<LayerSummary>) {
    for description in descriptions {
        let path = join(parent, &description.path);
        rows.push(row(description, path.clone(), depth));
        add_rows(&description.children, &path, depth + 1, rows);
    }
}

fn row(layer: &Description, path: String, depth: usize) -> LayerSummary {
    let of_children = |count: fn(&Description) -> usize| layer.children.iter().map(count).sum::<usize>();
    let trainable_params = layer.params.saturating_sub(of_children(|child| child.params));
    let buffers = layer.buffers.saturating_sub(of_children(|child| child.buffers));
    let macs = layer.macs.saturating_sub(layer.children.iter().map(|child| child.macs).sum());
    let params = trainable_params + buffers;
    LayerSummary { path, kind: layer.kind.clone(), output: layer.output.clone(), params, trainable_params, macs, depth }
}

/// Returns the receptive field of the last layer that does not depend on the whole input.
fn receptive_field(network: &Description, input: &[usize]) -> Option<Vec<usize>> {
    let axes = network.receptive_field.clone().or_else(|| {
        let local = network.children.iter().take_while(|layer| layer.receptive_field.is_some());
        let local: Vec<Description> = local.cloned().collect();
        if local.is_empty() { None } else { Description::chain("", input, local).receptive_field }
    });
    let sizes: Vec<usize> = axes?.iter().map(|axis| axis.size).collect();
    (!sizes.is_empty()).then_some(sizes)
}

impl Summary {
    /// Summarises a network that describes itself so for an `input` of this shape.
    pub fn new(description: Description, input: &[usize]) -> Self {
        let whole = row(&description, String::new(), 0);
        let counts_itself = description.children.is_empty() || whole.params > 0 || whole.macs > 0;
        let mut layers = if counts_itself { vec![whole] } else { Vec::new() };
        add_rows(&description.children, "", 0, &mut layers);
        Self {
            input: input.to_vec(),
            further_inputs: Vec::new(),
            params: description.params + description.buffers,
            trainable_params: description.params,
            macs: description.macs,
            receptive_field: receptive_field(&description, input),
            layers,
            model: description.kind,
        }
    }

    /// Returns the summary as a document of a table and the totals, for any of the exporters of the crate `report`.
    pub fn document(&self) -> Document {
        let mut table = Table::new([
            Column::key("layer"),
            Column::text("kind"),
            Column::text("output"),
            Column::number("parameters"),
            Column::number("MACs"),
        ]);
        let cell = |text: String| Cell::from(text);
        let inputs: Vec<String> =
            [&self.input].into_iter().chain(&self.further_inputs).map(|input| shape(input)).collect();
        table.push([self.model.clone(), "input".into(), inputs.join(" + "), String::new(), String::new()].map(cell));
        let mut parents: Vec<&str> = Vec::new();
        for layer in &self.layers {
            parents.truncate(layer.depth);
            let name = layer.path.strip_prefix(parents.last().unwrap_or(&"")).unwrap_or(&layer.path);
            let name = format!("{}{}", "  ".repeat(layer.depth + 1), name.trim_start_matches('.'));
            parents.push(&layer.path);
            let words = [name, layer.kind.clone(), shape(&layer.output)].map(cell);
            table.push(words.into_iter().chain([layer.trainable_params as u64, layer.macs].map(cost)));
        }
        let seen = self.receptive_field.as_deref();
        let mut document = Document::default();
        document.table(table);
        document.list([
            format!("Trainable parameters: {}", count(self.trainable_params as u64)),
            format!("Non-trainable parameters: {}", count((self.params - self.trainable_params) as u64)),
            format!("Total parameters: {}", count(self.params as u64)),
            format!("Multiply-accumulates: {}", count(self.macs)),
            format!("Receptive field: {}", seen.map_or("the whole input".into(), extent)),
        ]);
        document
    }
}

/// Names a part of the input: pixels of an image, or positions of a sequence.
fn extent(sizes: &[usize]) -> String {
    shape(sizes) + if sizes.len() == 1 { " positions" } else { " pixels" }
}

/// Returns a cell with a count, or a dash for layers that cost nothing.
fn cost(value: u64) -> Cell {
    Cell::number(if value == 0 { NONE.into() } else { count(value) }, value as f64)
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(report::terminal(&self.document(), DISPLAY_WIDTH).trim_end())
    }
}
