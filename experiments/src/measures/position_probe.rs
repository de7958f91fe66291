//! The measure `position-probe`: how well the place of the object can be read from what the classifier sees.

use anyhow::{Context, Result};
use candle_core::{DType, Tensor};
use datasets::{Canvas, Images, Object, Order};
use layers::Mode;
use localisation::{Position, explained_variance, predict_positions};
use records::Point;
use timing::INFER_BATCH;

use super::{measure::Measure, network::TrainedNetwork};

/// The largest number of training images that the probe is fitted to.
const FITTED: usize = 1000;
pub static MEASURE: Measure = Measure {
    name: "position-probe",
    explanations: &[
        (
            "probe-r2",
            "the share of the variance of the object's row and column that a linear regression explains (R², at least 0), \
             fitted to training images and measured on test images",
        ),
        ("probe-in-box", "the share of test images where the point that the regression finds lies in the object's box"),
        (
            "last-layer",
            "from the input of the network's last layer: the flattened features for `fc`, the hidden units for `fc:128`, and the \
             pooled vector for heads that pool",
        ),
        ("features", "from the flattened feature maps, before any layer of the head"),
        (
            "centre",
            "without reading anything: the mean of the training objects' centres, which is the point for every image",
        ),
    ],
    check: |canvas, held_out| match canvas {
        Some(Canvas::Scattered { .. }) if held_out => Ok(()),
        Some(Canvas::Scattered { .. }) => {
            Err("the strength of its regularisation is chosen on validation images: hold some out with `validation`")
        }
        _ => Err("the places of the objects must vary and be known: set a `canvas` of kind `scattered`"),
    },
    run: |network, _, data| {
        let train = data.train.subset(&(0..data.train.len().min(FITTED)).collect::<Vec<_>>());
        let objects = data.train_objects.as_deref().context("the places of the training objects")?;
        let validation = data.validation.as_ref().context("validation images")?;
        let validation_objects = data.validation_objects.as_deref().context("the places of the validation objects")?;
        let test_objects = data.test_objects.as_deref().context("the places of the test objects")?;
        let images = [(&train, &objects[..train.len()]), (validation, validation_objects), (&data.test, test_objects)];
        position_probe(network, images)
    },
    draw: None,
};

/// Fits the probe to the first images, chooses its regularisation on the second and measures it on the third.
pub fn position_probe(network: &TrainedNetwork, images: [(&Images, &[Object]); 3]) -> Result<Vec<Point>> {
    let objects = images[2].1;
    let [training, validation, truth] = images.map(|(_, objects)| centres(objects));
    let mut points = Vec::new();
    let mut measure = |setting, predicted: &[Position]| {
        let in_box: Vec<bool> =
            predicted.iter().zip(objects).map(|(point, object)| contains(object.bbox, *point)).collect();
        let r2 = explained_variance(predicted, &truth).max(0.);
        points.push(Point::number("probe-r2", Some(setting), None, Some(r2)));
        points.push(Point::share("probe-in-box", Some(setting), None, &in_box));
    };
    for (setting, of_classifier) in [("last-layer", true), ("features", false)] {
        let [fitted, chosen, measured] = images.map(|(images, _)| features(network, images, of_classifier));
        measure(setting, &regress(&fitted?, &training, (&chosen?, &validation), &measured?)?);
    }
    let mean = [0, 1].map(|axis| training.iter().map(|centre| centre[axis]).sum::<f64>() / training.len() as f64);
    measure("centre", &vec![mean; objects.len()]);
    Ok(points)
}

/// The inputs (N, D) of the last layer, or else the flattened feature maps, of all images.
fn features(network: &TrainedNetwork, images: &Images, of_classifier: bool) -> Result<Tensor> {
    let mut all = Vec::new();
    for batch in images.batches(INFER_BATCH, Order::Sequential, network.standardization, network.device) {
        let maps = network.model.forward_features(&batch?.0, Mode::Inference)?;
        let vectors = if of_classifier { network.model.head.pooled(&maps, Mode::Inference)? } else { maps };
        all.push(vectors.flatten_from(1)?);
    }
    Ok(Tensor::cat(&all, 0)?)
}

/// The middle (y, x) of each object's box.
fn centres(objects: &[Object]) -> Vec<Position> {
    let middle = |object: &Object| [0, 1].map(|axis| (object.bbox[axis] + object.bbox[axis + 2]) as f64 / 2.);
    objects.iter().map(middle).collect()
}

fn contains([top, left, bottom, right]: [usize; 4], [y, x]: Position) -> bool {
    top as f64 <= y && y < bottom as f64 && left as f64 <= x && x < right as f64
}

/// Predicts the points of the test vectors by a regression that is fitted to the first ones.
fn regress(
    train: &Tensor,
    points: &[Position],
    (validation, validation_points): (&Tensor, &[Position]),
    test: &Tensor,
) -> Result<Vec<Position>> {
    let centre = train.mean_keepdim(0)?;
    let transposed = train.broadcast_sub(&centre)?.t()?;
    let products = |vectors: &Tensor| -> Result<Vec<Vec<f64>>> {
        Ok(vectors.broadcast_sub(&centre)?.matmul(&transposed)?.to_dtype(DType::F64)?.to_vec2()?)
    };
    let (own, validation, test) = (products(train)?, products(validation)?, products(test)?);
    Ok(predict_positions(&own, points, (&validation, validation_points), &test))
}

#[cfg(test)]
mod tests {
    use super::contains;

    #[test]
    fn a_point_on_the_first_row_is_in_the_box_and_one_on_the_row_behind_is_not() {
        assert!(contains([2, 2, 4, 4], [2., 3.9]) && !contains([2, 2, 4, 4], [4., 3.]));
    }
}
