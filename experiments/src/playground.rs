//! The playground: a page in which one draws an image and sees what trained networks make of it.
//!
//! The page computes everything itself. Its parts lie in `experiments/playground`; here they are joined with the networks
//! into one file.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use candle_core::DType;
use datasets::{DatasetId, LoadOptions};
use include_dir::{Dir, include_dir};
use layers::{
    Layer,
    graph::{Attribute, Graph},
};
use models::{NetworkInfo, Trained};
use serde_json::{Map, Value, json};

use crate::{index, misuse::Misuse};

static PARTS: Dir = include_dir!("$CARGO_MANIFEST_DIR/playground");

/// The most networks that the page shows side by side.
pub const MOST_NETWORKS: usize = 4;

/// Writes the page for these networks, by name. `results` is the folder of suites whose verdicts the tour quotes.
///
/// # Errors
/// Networks whose inputs or classes differ, or that have no form as a graph; records that cannot be read.
pub fn page(networks: &[(String, Trained)], results: &Path) -> Result<String> {
    let (_, first) = networks.first().context("there is no network to show")?;
    for (name, other) in networks {
        if (&other.info.input, &other.info.classes) != (&first.info.input, &first.info.classes) {
            let reason = format!(
                "{name} takes other images or has other classes than {}; the page shows them side by side for one drawing",
                networks[0].0
            );
            return Err(Misuse::new(reason).into());
        }
    }
    let networks: Result<Vec<Value>> = networks.iter().map(|(name, trained)| network(name, trained)).collect();
    let verdicts: BTreeMap<String, String> = index::tour(results)?;
    let data = json!({ "networks": networks?, "samples": samples(&first.info), "verdicts": verdicts });
    assemble(&data)
}

/// The network in the form that the page computes it from, with its graph of operators and its weights.
fn network(name: &str, trained: &Trained) -> Result<Value> {
    let NetworkInfo { model, head, input, classes, dataset, training, .. } = &trained.info;
    // Some heads have no maps that a graph could compute; the page says so.
    let with_evidence = trained.graph(true).ok();
    let evidence = with_evidence.as_ref().map(|_| "evidence");
    let refused = |error| Misuse::new(format!("{name} cannot be shown: {}", Misuse::from(error)));
    let graph = with_evidence.map_or_else(|| trained.graph(false), Ok).map_err(refused)?;
    let whole = trained.network.describe(input)?;
    let head_params = trained.network.head.describe(&trained.network.backbone.feature_shape(input)?)?.params;
    let (graph, weights) = described(&graph, evidence)?;
    Ok(json!({
        "name": name,
        "model": model.to_string(),
        "head": head.to_string(),
        "dataset": dataset,
        "classes": classes,
        "input": input,
        "parameters": whole.params,
        "headParameters": head_params,
        "macs": whole.macs,
        "top1": training.as_ref().and_then(|training| training["top1"].as_f64()),
        "graph": graph,
        "weights": weights,
    }))
}

/// The graph as JSON, and the base64 of its numbers, one after another. Whole numbers stay in the graph.
fn described(graph: &Graph, evidence: Option<&str>) -> Result<(Value, String)> {
    let (mut constants, mut numbers) = (Vec::new(), Vec::new());
    for (name, tensor) in graph.constants() {
        let (shape, flat) = (tensor.dims(), tensor.flatten_all()?);
        if tensor.dtype() == DType::F32 {
            constants.push(json!({ "name": name, "shape": shape, "offset": numbers.len() }));
            numbers.extend(flat.to_vec1::<f32>()?);
        } else {
            constants.push(json!({ "name": name, "shape": shape, "values": flat.to_vec1::<i64>()? }));
        }
    }
    let nodes: Vec<Value> = graph
        .nodes()
        .iter()
        .map(|node| {
            let attributes = node.attributes.iter().map(|(name, value)| (name.to_string(), attribute(value)));
            json!({
                "operator": node.operator,
                "inputs": node.inputs.iter().map(|input| input.name()).collect::<Vec<_>>(),
                "output": node.output.name(),
                "attributes": attributes.collect::<Map<_, _>>(),
            })
        })
        .collect();
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    let graph =
        json!({ "input": "images", "logits": "logits", "evidence": evidence, "nodes": nodes, "constants": constants });
    Ok((graph, STANDARD.encode(bytes)))
}

fn attribute(value: &Attribute) -> Value {
    match value {
        Attribute::Int(value) => json!(value),
        Attribute::Ints(values) => json!(values),
        Attribute::Float(value) => json!(value),
    }
}

/// The first test image of each class, if the data set is at hand and its images are grey.
fn samples(info: &NetworkInfo) -> Vec<Value> {
    let id = match info.dataset.as_deref() {
        Some("mnist") => Ok(DatasetId::MnistMini),
        Some(name) => name.parse(),
        None => return Vec::new(),
    };
    let Ok(data) = id.map_err(drop).and_then(|id| datasets::load(&id, &LoadOptions::default()).map_err(drop)) else {
        return Vec::new();
    };
    if data.test.shape != info.input || info.input[0] != 1 {
        return Vec::new();
    }
    let sample = |class: usize| {
        let index = data.test.labels.iter().position(|&label| label as usize == class)?;
        let pixels = data.test.image(index).ok()?;
        Some(json!({ "label": data.classes.get(class)?, "pixels": STANDARD.encode(&pixels) }))
    };
    (0..info.classes.len()).filter_map(sample).collect()
}

/// Puts styles, scripts and data into the page.
fn assemble(data: &Value) -> Result<String> {
    let text = |name: &str| {
        let file = PARTS.get_file(name).with_context(|| format!("the page has no part {name}"))?;
        file.contents_utf8().with_context(|| format!("{name} is no text"))
    };
    let mut page = String::new();
    for line in text("index.html")?.lines() {
        let tag = line.trim();
        if let Some(name) = between(tag, "<link rel=\"stylesheet\" href=\"", "\">") {
            page += &format!("<style>\n{}</style>\n", text(name)?);
        } else if let Some(name) = between(tag, "<script src=\"", "\"></script>") {
            page += &format!("<script>\n{}</script>\n", text(name)?);
        } else if tag.starts_with("<script type=\"application/json\" id=\"data\">") {
            // A name with `</script>` in it must not end the data.
            let data = data.to_string().replace("</", "<\\/");
            page += &format!("<script type=\"application/json\" id=\"data\">{data}</script>\n");
        } else {
            page += line;
            page.push('\n');
        }
    }
    Ok(page)
}

fn between<'a>(tag: &'a str, start: &str, end: &str) -> Option<&'a str> {
    tag.strip_prefix(start)?.strip_suffix(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_refers_to_no_file_and_its_data_cannot_end_the_script() {
        let page = assemble(&json!({ "name": "</script><b>" })).unwrap();
        for tag in ["<script src", "<link rel=\"stylesheet\"", "</script><b>", "http://", "https://"] {
            assert!(!page.contains(tag), "{tag}");
        }
        assert!(page.contains("class Network"));
    }
}
