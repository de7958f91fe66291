use candle_core::{Result, Tensor, bail};
use layers::{Layer, Mode};

/// How well a model does on a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Share of samples whose largest logit is that of their class, 0..1.
    pub top1: f64,
    /// Mean cross-entropy over samples.
    pub loss: f64,
    /// For each sample, in the order of the batches, whether it was classified right.
    pub hits: Vec<bool>,
    /// For each sample what it was taken for; see [`predictions`].
    pub predictions: Vec<Option<u32>>,
}

/// Classifies all `batches` of inputs (N, …) and targets (N) of u32 in [`Mode::Inference`].
///
/// Of equal logits the first wins. A sample with a NaN among its logits is a miss, whatever its class.
///
/// # Errors
/// What the batches or the model report, a target that is no class of the model's, and no samples at all.
pub fn evaluate(model: &dyn Layer, batches: impl IntoIterator<Item = Result<(Tensor, Tensor)>>) -> Result<Evaluation> {
    let (mut hits, mut predictions) = (Vec::new(), Vec::new());
    let mut total = 0.;
    for batch in batches {
        let (xs, targets) = batch?;
        let logits = model.forward(&xs, Mode::Inference)?;
        let loss = ops::cross_entropy(&logits, &targets)?.to_scalar::<f32>()?;
        let winners = self::predictions(&logits)?;
        total += loss as f64 * winners.len() as f64;
        hits.extend(winners.iter().zip(targets.to_vec1()?).map(|(winner, target)| *winner == Some(target)));
        predictions.extend(winners);
    }
    if hits.is_empty() {
        bail!("there are no samples to evaluate on")
    }
    let samples = hits.len() as f64;
    let right = hits.iter().filter(|&&hit| hit).count();
    Ok(Evaluation { top1: right as f64 / samples, loss: total / samples, hits, predictions })
}

/// The class of the largest logit of each of the samples (N, K): of equal ones the first, none where one is NaN.
///
/// # Errors
/// Logits that are not a matrix of f32.
pub fn predictions(logits: &Tensor) -> Result<Vec<Option<u32>>> {
    Ok(logits.to_vec2::<f32>()?.iter().map(|row| winner(row).map(|class| class as u32)).collect())
}

/// The first of the largest values; none where one is NaN.
fn winner(row: &[f32]) -> Option<usize> {
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

#[cfg(test)]
mod tests {
    use super::winner;

    #[test]
    fn of_equal_logits_the_first_wins_and_nan_never_does() {
        assert_eq!(winner(&[1., 3., 3., 2.]), Some(1));
        assert_eq!(winner(&[f32::NEG_INFINITY; 3]), Some(0));
        assert_eq!(winner(&[1., f32::INFINITY]), Some(1));
        assert_eq!(winner(&[1., f32::NAN, 3.]), None);
        assert_eq!(winner(&[f32::NAN, 1.]), None);
    }
}
