//! `predict`: what a trained network says of images, or of protein–drug pairs, and where the evidence lies.

mod cam;
mod files;
mod output;
mod pairs;

use std::path::PathBuf;

use anyhow::{Result, bail};
use candle_core::{Device, Tensor};
use datasets::ImageFile;
use models::{Prediction, Trained};

use crate::{errors::in_one_line, misuse::Misuse, output::note, zoo};
use cam::Cams;
use files::image_files;
use pairs::predict_pairs;

/// The options of `predict`.
#[derive(Debug)]
pub struct PredictOptions {
    /// The path of a file of weights, or the name of a network of the zoo.
    pub weights: String,
    /// Image files and folders of them.
    pub images: Vec<PathBuf>,
    /// Protein–drug pairs, in the place of images.
    pub pairs: Option<PairInput>,
    /// The number of classes, or of windows of residues, that are shown.
    pub top: usize,
    /// The PNG file or the folder for the pictures of the evidence.
    pub cam: Option<PathBuf>,
    /// True if the class of an image is the name of its folder.
    pub labels: bool,
    pub format: PredictFormat,
}

/// Where protein–drug pairs are read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PairInput {
    /// A protein and a fingerprint, each as text or as the path of a file.
    One { protein: String, fingerprint: String },
    /// The test pairs of a folder in the layout of the authors of DeepConv-DTI.
    Folder { folder: PathBuf, skip_unknown: bool },
}

/// The form in which predictions are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PredictFormat {
    Text,
    Json,
    Csv,
}

/// An image and what the network says of it.
struct Predicted {
    path: PathBuf,
    prediction: Prediction,
    /// The index of the class that the image has according to its folder.
    label: Option<usize>,
    /// The picture of the evidence.
    cam: Option<PathBuf>,
}

/// Prints the most probable classes of each image, or the probability of each pair. Images that cannot be read are reported, and the others are still
/// classified.
pub fn predict(options: &PredictOptions) -> Result<()> {
    if let Some(pairs) = &options.pairs {
        return predict_pairs(pairs, options);
    }
    let trained = zoo::load(&options.weights)?;
    let files = image_files(&options.images)?;
    let labels = options.labels.then(|| files::labels(&files, &trained.info.classes)).transpose()?;
    let cams = options.cam.as_deref().map(|out| Cams::new(out, &files)).transpose()?;
    let (mut predicted, mut failed) = (Vec::with_capacity(files.len()), 0);
    for (index, path) in files.iter().enumerate() {
        let label = labels.as_ref().map(|labels| labels[index]);
        match predict_one(&trained, path.clone(), label, cams.as_ref().map(|cams| cams.path(index))) {
            Ok(image) => predicted.push(image),
            Err(error) => {
                failed += 1;
                note(&format!("error: {}", in_one_line(&error)));
            }
        }
    }
    output::print_predictions(&predicted, &trained.info, options)?;
    match failed {
        0 => Ok(()),
        _ => bail!("{failed} of {} images could not be classified", files.len()),
    }
}

fn predict_one(trained: &Trained, path: PathBuf, label: Option<usize>, cam: Option<PathBuf>) -> Result<Predicted> {
    let file = ImageFile::open(&path)?;
    let image = pixels(&file, trained.info.input)?;
    let prediction = trained.predict(&image.unsqueeze(0)?)?.remove(0);
    if let Some(out) = &cam {
        let class = prediction.classes[0].index;
        cam::save(out, &file, &trained.evidence(&image)?.get(class)?)?;
    }
    Ok(Predicted { path, prediction, label, cam })
}

/// The image (C, H, W), resized as the network's training images were, with pixels from 0 to 1.
fn pixels(file: &ImageFile, input: [usize; 3]) -> Result<Tensor> {
    let images = file.resized(input).map_err(Misuse::from)?;
    let values = images.image(0)?.iter().map(|&value| f32::from(value) / 255.).collect();
    Ok(Tensor::from_vec(values, &input[..], &Device::Cpu)?)
}
