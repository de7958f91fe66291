use crate::Classifier;
use crate::classifier::join;
use candle_core::Result;
use layers::{Description, Layer};
use serde::Serialize;
use std::fmt;
use tabled::builder::Builder;
use tabled::settings::object::{Columns, Rows};
use tabled::settings::{Alignment, Modify, Style};

/// What a network consists of, layer by layer, and what that costs for one input: torchinfo's table for candle.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    pub model: String,
    /// (C, H, W)
    pub input: Vec<usize>,
    /// All that is stored: trainable parameters and running statistics.
    pub params: usize,
    pub trainable_params: usize,
    /// Multiply-accumulates of convolutions and linear layers, for one input.
    pub macs: u64,
    /// The pixels (height, width) that one position of the features sees; none where that is the whole input.
    pub receptive_field: Option<Vec<usize>>,
    pub layers: Vec<LayerSummary>,
}

/// One row of a [`Summary`]. A layer made of others is followed by them, one level deeper, and counts nothing itself:
/// the column adds up to the total.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerSummary {
    /// The full name of its parameters, without `.weight`.
    pub path: String,
    pub kind: String,
    /// Without the batch axis.
    pub output: Vec<usize>,
    /// With running statistics.
    pub params: usize,
    pub macs: u64,
    pub depth: usize,
}

/// The summary of a classifier for an `input` of this shape, without the batch axis.
///
/// # Errors
/// An input that the network does not take.
pub fn summary(classifier: &Classifier, input: &[usize]) -> Result<Summary> {
    let features = classifier.backbone.describe(input)?;
    let network = classifier.describe(input)?;
    let mut layers = Vec::new();
    add_rows(&network.children, "", 0, &mut layers);
    Ok(Summary {
        model: network.kind,
        input: input.to_vec(),
        params: network.params + network.buffers,
        trainable_params: network.params,
        macs: network.macs,
        receptive_field: features.receptive_field.map(|axes| axes.iter().map(|axis| axis.size).collect()),
        layers,
    })
}

fn add_rows(descriptions: &[Description], parent: &str, depth: usize, rows: &mut Vec<LayerSummary>) {
    for Description { path, kind, output, params, buffers, macs, children, .. } in descriptions {
        let path = join(parent, path);
        rows.push(LayerSummary {
            path: path.clone(),
            kind: kind.clone(),
            output: output.clone(),
            params: params + buffers - children.iter().map(|child| child.params + child.buffers).sum::<usize>(),
            macs: macs - children.iter().map(|child| child.macs).sum::<u64>(),
            depth,
        });
        add_rows(children, &path, depth + 1, rows);
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let mut table = Builder::default();
        table.push_record(["layer", "kind", "output", "parameters", "MACs"]);
        table.push_record([self.model.clone(), "input".to_string(), shape(&self.input), String::new(), String::new()]);
        for LayerSummary { path, kind, output, params, macs, depth } in &self.layers {
            let path = format!("{}{path}", "  ".repeat(depth + 1));
            let cost = |n: u64| if n == 0 { "–".to_string() } else { thousands(n) };
            table.push_record([path, kind.clone(), shape(output), cost(*params as u64), cost(*macs)]);
        }
        let mut table = table.build();
        table
            .with(Style::sharp())
            .with(Modify::new(Columns::new(3..)).with(Alignment::right()))
            .with(Modify::new(Rows::first()).with(Alignment::left()));
        writeln!(f, "{table}")?;

        let field = self.receptive_field.as_deref().map_or("the whole input".to_string(), |size| shape(size) + " px");
        let params = |n: usize| thousands(n as u64);
        writeln!(f, "Trainable parameters:     {}", params(self.trainable_params))?;
        writeln!(f, "Non-trainable parameters: {}", params(self.params - self.trainable_params))?;
        writeln!(f, "Parameters in all:        {}", params(self.params))?;
        writeln!(f, "Multiply-accumulates:     {}", thousands(self.macs))?;
        write!(f, "Receptive field:          {field}")
    }
}

/// `64x5x5`
fn shape(axes: &[usize]) -> String {
    axes.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

/// A number with its digits in groups of three.
///
/// ```
/// assert_eq!([0, 999, 1_000, 1_369_738].map(models::thousands), ["0", "999", "1,000", "1,369,738"]);
/// ```
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(",")
}
