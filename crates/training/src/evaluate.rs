use candle_core::{DType, Result, Tensor, bail};
use layers::Mode;

use crate::{batch::Batch, loss::Loss, model::Model};

/// The performance of a model on a data set.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Evaluation {
    /// The share of samples that are classified correctly, from 0 to 1.
    pub top1: f64,
    /// The mean loss per sample.
    pub loss: f64,
    /// True for each sample that is classified correctly, in the order of the batches.
    pub hits: Vec<bool>,
    /// The predicted class of each sample, in the order of the batches; `None` if its outputs contain a NaN.
    pub predictions: Vec<Option<u32>>,
    /// The logit of each sample, in the order of the batches, with [`Loss::BinaryCrossEntropy`]; empty otherwise.
    pub scores: Vec<f32>,
}

/// Classifies all batches in [`Mode::Inference`] and compares the predictions with the targets.
///
/// With [`Loss::CrossEntropy`] the predicted class is that of the largest logit; see [`predictions`]. With
/// [`Loss::BinaryCrossEntropy`] it is 1 if the sigmoid of the logit is above 0.5, else 0, and likewise for the targets.
/// Outputs that contain a NaN are a miss.
///
/// # Errors
/// Errors of the batches, the model or the loss, and a data set without samples.
pub fn evaluate<B: Into<Batch>>(
    model: &dyn Model,
    batches: impl IntoIterator<Item = Result<B>>,
    loss: &Loss,
) -> Result<Evaluation> {
    let (mut hits, mut predictions, mut scores) = (Vec::new(), Vec::new(), Vec::new());
    let mut total = 0.;
    for batch in batches {
        let Batch { inputs, targets } = batch?.into();
        let outputs = model.forward(&inputs, Mode::Inference)?;
        let mean = loss.forward(&outputs, &targets)?.to_scalar::<f32>()?;
        let (predicted, classes) = match loss {
            Loss::CrossEntropy { .. } => (self::predictions(&outputs)?, targets.to_dtype(DType::U32)?.to_vec1()?),
            Loss::BinaryCrossEntropy => {
                let values = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>();
                let class = |target| u32::from(target > 0.5);
                let logits = values(&outputs)?;
                scores.extend_from_slice(&logits);
                (logits.into_iter().map(binary).collect(), values(&targets)?.into_iter().map(class).collect())
            }
        };
        total += mean as f64 * predicted.len() as f64;
        hits.extend(predicted.iter().zip(classes).map(|(predicted, class)| *predicted == Some(class)));
        predictions.extend(predicted);
    }
    if hits.is_empty() {
        bail!("there are no samples to evaluate on")
    }
    let samples = hits.len() as f64;
    let correct = hits.iter().filter(|&&hit| hit).count();
    Ok(Evaluation { top1: correct as f64 / samples, loss: total / samples, hits, predictions, scores })
}

/// Returns the class with the largest logit for each row of `logits` (N, K): the first of equal ones, and `None` if the
/// row contains a NaN.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use training::predictions;
///
/// # fn main() -> candle_core::Result<()> {
/// let logits = Tensor::new(&[[0f32, 3., 1.], [2., 2., 0.], [f32::NAN, 1., 1.]], &Device::Cpu)?;
/// assert_eq!(predictions(&logits)?, [Some(1), Some(0), None]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Logits that are not a matrix of f32.
pub fn predictions(logits: &Tensor) -> Result<Vec<Option<u32>>> {
    Ok(logits.to_vec2::<f32>()?.iter().map(|row| argmax(row).map(|class| class as u32)).collect())
}

/// Returns the index of the first of the largest values, or `None` if one is NaN.
fn argmax(row: &[f32]) -> Option<usize> {
    let mut best = 0;
    for (i, value) in row.iter().enumerate() {
        if value.is_nan() {
            return None;
        }
        if *value > row[best] {
            best = i;
        }
    }
    Some(best)
}

/// Returns 1 for a positive logit, whose sigmoid is above 0.5.
fn binary(logit: f32) -> Option<u32> {
    (!logit.is_nan()).then_some(u32::from(logit > 0.))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_logits_the_first_wins_and_nan_never_does() {
        assert_eq!(argmax(&[1., 3., 3., 2.]), Some(1));
        assert_eq!(argmax(&[f32::NEG_INFINITY; 3]), Some(0));
        assert_eq!(argmax(&[1., f32::INFINITY]), Some(1));
        assert_eq!(argmax(&[1., f32::NAN, 3.]), None);
        assert_eq!(argmax(&[f32::NAN, 1.]), None);
        assert_eq!([-1., 0., 1e-3, f32::NAN].map(binary), [Some(0), Some(0), Some(1), None]);
    }
}
