//! The picture of a network's most confident mistakes.

use anyhow::Result;
use candle_core::D;
use candle_nn::ops::softmax;
use datasets::{Images, Order};
use image::RgbImage;
use layers::{Layer, Mode};
use report::Mistake;
use timing::INFER_BATCH;

use crate::measures::TrainedNetwork;

/// The number of images in the picture.
const DRAWN: usize = 10;

/// Draws the images that were classified wrongly and whose predicted class has the highest probability; `None` if there are
/// none. `predictions` are those of all `images`, and `classes` the names of the classes.
pub fn draw_mistakes(
    network: &TrainedNetwork,
    images: &Images,
    predictions: &[Option<u32>],
    classes: &[String],
) -> Result<Option<RgbImage>> {
    let wrong = |&index: &usize| predictions[index].is_some_and(|class| class != images.labels[index]);
    let wrong: Vec<usize> = (0..images.len()).filter(wrong).collect();
    let mut mistakes = Vec::with_capacity(wrong.len());
    let subset = images.subset(&wrong);
    for batch in subset.batches(INFER_BATCH, Order::Sequential, network.standardization, network.device) {
        let logits = network.model.forward(&batch?.0, Mode::Inference)?;
        let probabilities: Vec<f32> = softmax(&logits, D::Minus1)?.max(D::Minus1)?.to_vec1()?;
        mistakes.extend(probabilities.into_iter().zip(wrong[mistakes.len()..].iter().copied()));
    }
    // The sort is stable: of equally probable ones, the first image comes first.
    mistakes.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mistake = |&(probability, index): &(f32, usize)| -> Result<Mistake> {
        let name = |class: Option<u32>| class.map_or(String::new(), |class| classes[class as usize].clone());
        Ok(Mistake {
            image: images.rgb(index)?,
            truth: name(Some(images.labels[index])),
            predicted: name(predictions[index]),
            probability: probability.into(),
        })
    };
    let drawn = mistakes.iter().take(DRAWN).map(mistake).collect::<Result<Vec<_>>>()?;
    Ok((!drawn.is_empty()).then(|| report::mistakes(&drawn)))
}
