//! What learning curves say about over-fitting, and how soon something is learned.

use crate::record::EpochPoint;

/// How far the validation loss lies at the last point of a curve above its minimum; `None` for fewer than two points that
/// have one.
pub fn val_loss_rise(curve: &[EpochPoint]) -> Option<f64> {
    let losses: Vec<f64> = curve.iter().filter_map(|point| point.val_loss).collect();
    let last =
        losses.last().filter(|_| losses.len() > 1 && curve.last().is_some_and(|last| last.val_loss.is_some()))?;
    losses.iter().copied().reduce(f64::min).map(|least| last - least)
}

/// The validation losses of two curves where their training loss first falls to the lowest value that both reach; `None` if
/// one of them lies below that value from its first point on.
///
/// The training loss is the mean over an epoch, during which the network improves, in both curves alike.
pub fn val_losses_at_equal_train_loss(curves: [&[EpochPoint]; 2]) -> Option<[f64; 2]> {
    let least = |curve: &[EpochPoint]| curve.iter().filter_map(|point| point.train_loss).reduce(f64::min);
    let level = least(curves[0])?.max(least(curves[1])?);
    Some([val_loss_at(curves[0], level)?, val_loss_at(curves[1], level)?])
}

/// The validation loss where the training loss first falls to `level`, interpolated linearly between the points around it.
fn val_loss_at(curve: &[EpochPoint], level: f64) -> Option<f64> {
    let losses: Option<Vec<(f64, f64)>> = curve.iter().map(|point| point.train_loss.zip(point.val_loss)).collect();
    let losses = losses?;
    let below = losses.iter().position(|(train, _)| *train <= level)?;
    let (train_below, val_below) = losses[below];
    if train_below == level {
        return Some(val_below);
    }
    let (train_above, val_above) = losses[below.checked_sub(1)?];
    Some(val_below + (val_above - val_below) * (level - train_below) / (train_above - train_below))
}

/// The number of epochs after which the validation AUROC has first reached a level; `None` if no point of the curve has.
pub fn epochs_to_auroc(curve: &[EpochPoint], level: f64) -> Option<f64> {
    let reached = |point: &&EpochPoint| point.val_auroc.is_some_and(|auroc| auroc >= level);
    curve.iter().find(reached).map(|point| (point.epoch + 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(losses: &[(f64, f64)]) -> Vec<EpochPoint> {
        let point = |(epoch, &(train, val)): (usize, &(f64, f64))| EpochPoint {
            epoch,
            train_loss: Some(train),
            val_top1: None,
            val_loss: Some(val),
            val_auroc: None,
        };
        losses.iter().enumerate().map(point).collect()
    }

    #[test]
    fn the_rise_is_that_above_the_minimum_and_none_where_it_still_falls() {
        assert_eq!(val_loss_rise(&curve(&[(1., 0.5), (0.5, 0.25), (0.1, 0.75)])), Some(0.5));
        assert_eq!(val_loss_rise(&curve(&[(1., 0.5), (0.5, 0.25)])), Some(0.));
        assert_eq!(val_loss_rise(&curve(&[(1., 0.5)])), None);
        let mut diverged = curve(&[(1., 0.5), (0.5, 0.25), (9., 9.)]);
        diverged[2].val_loss = None;
        assert_eq!(val_loss_rise(&diverged), None, "a loss that is not finite is no minimum");
    }

    #[test]
    fn the_epochs_to_a_level_count_the_one_that_reaches_it() {
        let mut rising = curve(&[(1., 1.); 3]);
        for (point, auroc) in rising.iter_mut().zip([0.5, 0.9, 0.8]) {
            point.val_auroc = Some(auroc);
        }
        assert_eq!(epochs_to_auroc(&rising, 0.9), Some(2.));
        assert_eq!(epochs_to_auroc(&rising, 0.91), None);
        assert_eq!(epochs_to_auroc(&curve(&[(1., 1.)]), 0.), None, "it was not measured");
    }

    #[test]
    fn losses_are_compared_at_the_lowest_training_loss_that_both_reach() {
        let (fast, slow) = (curve(&[(1., 2.), (0.5, 1.), (0.25, 3.)]), curve(&[(2., 2.), (0.75, 1.25)]));
        assert_eq!(val_losses_at_equal_train_loss([&fast, &slow]), Some([1.5, 1.25]));
        assert_eq!(val_losses_at_equal_train_loss([&slow, &fast]), Some([1.25, 1.5]));
        // What is below the level from the first epoch on was never measured there.
        let slower = curve(&[(2., 2.), (1.5, 1.25)]);
        assert_eq!(val_losses_at_equal_train_loss([&fast, &slower]), None);
        assert_eq!(val_losses_at_equal_train_loss([&fast, &[]]), None);
    }
}
