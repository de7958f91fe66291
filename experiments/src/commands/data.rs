use std::path::{Path, PathBuf};

use anyhow::Result;
use datasets::{DatasetId, Images, LoadOptions, Standardization};
use serde_json::json;

use crate::{
    cli::Shape,
    data::{check_input, load},
    output::{print, print_json},
};

/// Columns of the picture that `--grid` draws.
const PER_CLASS: usize = 10;

pub fn data(
    id: &DatasetId,
    data_dir: Option<PathBuf>,
    input: Option<Shape>,
    grid: Option<&Path>,
    json: bool,
) -> Result<()> {
    check_input(id, input)?;
    let data = load(id, &LoadOptions { data_dir, input: input.map(|shape| shape.0) })?;
    let classes = data.classes.len();
    if let Some(path) = grid {
        datasets::save_grid(&data.train, classes, PER_CLASS, path)?;
    }
    let Standardization { mean, std } = Standardization::of(&data.train);
    let shape = Shape(data.train.shape).to_string();
    let (train, test) = (data.train.class_counts(classes), data.test.class_counts(classes));
    if json {
        let split = |images: &Images, counts: &[usize]| json!({"images": images.len(), "class_counts": counts});
        let file = |file: &datasets::SourceFile| json!({"path": file.path, "sha256": file.sha256, "bytes": file.bytes});
        return print_json(&json!({
            "name": data.name,
            "shape": shape,
            "classes": data.classes,
            "train": split(&data.train, &train),
            "test": split(&data.test, &test),
            "mean": mean,
            "std": std,
            "files": data.files.iter().map(file).collect::<Vec<_>>(),
        }));
    }
    let mut text = format!("{}: {classes} classes, images of {shape}\n\n", data.name);
    let width = data.classes.iter().map(|class| class.chars().count()).max().unwrap_or_default().max(5);
    text += &format!("{:width$}  {:>7}  {:>7}\n", "class", "train", "test");
    for ((class, train), test) in data.classes.iter().zip(&train).zip(&test) {
        text += &format!("{class:width$}  {train:>7}  {test:>7}\n");
    }
    text += &format!("{:width$}  {:>7}  {:>7}\n\n", "all", data.train.len(), data.test.len());
    text += &format!("training images, pixels as 0..1: mean {mean:.4?}, standard deviation {std:.4?}\n\n");
    for file in &data.files {
        text += &format!("sha256 {}  {} bytes  {}\n", file.sha256, file.bytes, file.path.display());
    }
    print(&text)
}
