use std::path::PathBuf;

use anyhow::Result;
use datasets::{DatasetId, Images, LoadOptions, Shape, Standardization, printable};
use serde_json::json;

use crate::{
    data::{check_data_dir, check_input, load_dataset, remarks},
    output::{print, print_json},
};

/// The number of columns of the picture that `--grid` draws.
const GRID_COLUMNS: usize = 10;

/// The options of `data`.
#[derive(Debug)]
pub struct DataOptions {
    pub dataset: DatasetId,
    /// The folder of the data set's files.
    pub data_dir: Option<PathBuf>,
    /// The shape that the images of a folder are resized to.
    pub input: Option<Shape>,
    /// The PNG file that the first images of each class are drawn into.
    pub grid: Option<PathBuf>,
    pub json: bool,
}

/// Prints the classes, counts and checksums of a data set.
pub fn data(options: &DataOptions) -> Result<()> {
    check_input(&options.dataset, options.input)?;
    check_data_dir(std::slice::from_ref(&options.dataset), options.data_dir.as_deref())?;
    let input = options.input.map(|shape| shape.0);
    let data = load_dataset(&options.dataset, &LoadOptions::default().data_dir(options.data_dir.clone()).input(input))?;
    let classes = data.classes.len();
    if let Some(path) = &options.grid {
        datasets::save_grid(&data.train, classes, GRID_COLUMNS, path)?;
    }
    let Standardization { mean, std } = Standardization::of(&data.train)?;
    let shape = Shape(data.train.shape).to_string();
    let (train, test) = (data.train.class_counts(classes), data.test.class_counts(classes));
    if options.json {
        let split = |images: &Images, counts: &[usize]| json!({"images": images.len(), "class_counts": counts});
        let file =
            |file: &datasets::FileChecksum| json!({"path": file.path, "sha256": file.sha256, "bytes": file.bytes});
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
    let count = if classes == 1 { "1 class".into() } else { format!("{classes} classes") };
    let mut text = format!("{}: {count}, images of {shape}\n\n", printable(&data.name));
    let names: Vec<String> = data.classes.iter().map(|class| printable(class)).collect();
    let width = names.iter().map(|class| class.chars().count()).max().unwrap_or_default().max(5);
    text += &format!("{:width$}  {:>7}  {:>7}\n", "class", "train", "test");
    for ((class, train), test) in names.iter().zip(&train).zip(&test) {
        text += &format!("{class:width$}  {train:>7}  {test:>7}\n");
    }
    text += &format!("{:width$}  {:>7}  {:>7}\n\n", "all", data.train.len(), data.test.len());
    text += &format!("training images, with pixels from 0 to 1: mean {mean:.4?}, standard deviation {std:.4?}\n\n");
    for file in &data.files {
        text +=
            &format!("sha256 {}  {} bytes  {}\n", file.sha256, file.bytes, printable(&file.path.display().to_string()));
    }
    text.extend(remarks(&data).into_iter().map(|remark| remark + "\n"));
    print(&text)
}
