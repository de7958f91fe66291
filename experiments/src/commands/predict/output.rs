//! The forms in which predictions are printed.

use anyhow::Result;
use datasets::printable;
use models::{ClassProbability, NetworkInfo};
use report::{Cell, Column, Document, Table};
use serde_json::{Value, json};

use super::{PredictFormat, PredictOptions, Predicted};
use crate::output::{print, print_document, print_json};

/// Prints the predictions in the form that is asked for.
pub fn print_predictions(predicted: &[Predicted], info: &NetworkInfo, options: &PredictOptions) -> Result<()> {
    let top = options.top.min(info.classes.len());
    match options.format {
        PredictFormat::Json => print_json(&predicted.iter().map(|image| as_json(image, info, top)).collect::<Vec<_>>()),
        PredictFormat::Csv => print(&as_csv(predicted, top)?),
        PredictFormat::Text if predicted.is_empty() => Ok(()),
        PredictFormat::Text => print_document(&Document::from(as_table(predicted, top))),
    }
}

fn as_json(image: &Predicted, info: &NetworkInfo, top: usize) -> Value {
    let class = |class: &ClassProbability| json!({ "class": class.class, "index": class.index, "probability": class.probability });
    let mut value = json!({
        "image": image.path.display().to_string(),
        "predictions": image.prediction.classes[..top].iter().map(class).collect::<Vec<_>>(),
    });
    if let Some(label) = image.label {
        value["label"] = info.classes[label].clone().into();
    }
    if let Some(cam) = &image.cam {
        value["cam"] = cam.display().to_string().into();
    }
    value
}

fn as_csv(predicted: &[Predicted], top: usize) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["image", "rank", "class", "probability"])?;
    for image in predicted {
        for (class, rank) in image.prediction.classes[..top].iter().zip(1..) {
            let (path, rank) = (image.path.display().to_string(), rank.to_string());
            writer.write_record([&path, &rank, &class.class, &class.probability.to_string()])?;
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// One row per image, with the most probable class first.
fn as_table(predicted: &[Predicted], top: usize) -> Table {
    let ranks = (1..=top).map(|rank| Column::text(if rank == 1 { "most probable".into() } else { format!("{rank}") }));
    let mut table = Table::new([Column::key("image")].into_iter().chain(ranks));
    for image in predicted {
        let name = Cell::from(printable(&image.path.display().to_string()));
        let cell = |class: &ClassProbability| {
            Cell::from(format!("{} {:.1} %", printable(&class.class), 100. * class.probability))
        };
        table.push([name].into_iter().chain(image.prediction.classes[..top].iter().map(cell)));
    }
    table
}
