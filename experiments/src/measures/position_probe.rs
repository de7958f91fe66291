//! The measure `position-probe`: how well the place of the object can be read from what the classifier sees.

use anyhow::{Context, Result};
use candle_core::{DType, Tensor};
use datasets::{Canvas, Images, Object, Order};
use layers::Mode;
use records::Point;
use timing::INFER_BATCH;

use super::{measure::Measure, network::TrainedNetwork};

/// The largest number of training images that the probe is fitted to.
const FITTED: usize = 2000;
/// The strengths of the regularisation that are tried, relative to the mean of the squared features of an image.
const STRENGTHS: [f64; 6] = [1e-4, 1e-3, 1e-2, 1e-1, 1., 10.];
/// The largest number of steps of the solver, and the residual, relative to that of the start, at which it stops.
const STEPS: usize = 500;
const TOLERANCE: f64 = 1e-6;

pub static MEASURE: Measure = Measure {
    name: "position-probe",
    explanations: &[
        (
            "probe-r2",
            "the share of the variance of the object's row and column that a linear regression explains (R², at least 0), \
             fitted to training images and measured on test images",
        ),
        ("probe-in-box", "the share of test images where the point that the regression finds lies in the object's box"),
        ("classifier", "from the vector that the last layer with weights takes: flattened features, or pooled ones"),
        ("features", "from the flattened feature maps before any pooling of the head"),
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
    let mut points = Vec::new();
    for (setting, of) in [("classifier", true), ("features", false)] {
        let features = images.map(|(images, _)| features(network, images, of));
        let [train, validation, test] = features;
        let (train, validation, test) = (train?, validation?, test?);
        let predicted = regress(&train, &centres(images[0].1), &validation, &centres(images[1].1), &test)?;
        let objects = images[2].1;
        let in_box: Vec<bool> =
            predicted.iter().zip(objects).map(|(point, object)| contains(object.bbox, *point)).collect();
        let r2 = explained(&predicted, &centres(objects)).max(0.);
        points.push(Point::number("probe-r2", Some(setting), None, Some(r2)));
        points.push(Point::share("probe-in-box", Some(setting), None, &in_box));
    }
    Ok(points)
}

/// The vectors (N, D) that the classifier takes, or else the flattened feature maps, of all images.
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
fn centres(objects: &[Object]) -> Vec<[f64; 2]> {
    let middle = |object: &Object| [0, 1].map(|axis| (object.bbox[axis] + object.bbox[axis + 2]) as f64 / 2.);
    objects.iter().map(middle).collect()
}

fn contains([top, left, bottom, right]: [usize; 4], [y, x]: [f64; 2]) -> bool {
    top as f64 <= y && y < bottom as f64 && left as f64 <= x && x < right as f64
}

/// The share of the variance of both coordinates that is explained (R²).
fn explained(predicted: &[[f64; 2]], actual: &[[f64; 2]]) -> f64 {
    let mean = mean(actual);
    let squares = |points: &mut dyn Iterator<Item = ([f64; 2], [f64; 2])>| -> f64 {
        points.map(|(a, b)| (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)).sum()
    };
    let residual = squares(&mut predicted.iter().copied().zip(actual.iter().copied()));
    1. - residual / squares(&mut actual.iter().map(|&point| (point, mean)))
}

fn mean(points: &[[f64; 2]]) -> [f64; 2] {
    [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / points.len() as f64)
}

/// Predicts the points of the test vectors by ridge regression, in its dual form: there can be far more features than images.
fn regress(
    train: &Tensor,
    points: &[[f64; 2]],
    validation: &Tensor,
    validation_points: &[[f64; 2]],
    test: &Tensor,
) -> Result<Vec<[f64; 2]>> {
    let centre = train.mean_keepdim(0)?;
    let [train, validation, test] = [train, validation, test].map(|vectors| vectors.broadcast_sub(&centre));
    let transposed = train?.t()?;
    let kernel = |vectors: Tensor| -> Result<Vec<Vec<f64>>> {
        Ok(vectors.matmul(&transposed)?.to_dtype(DType::F64)?.to_vec2()?)
    };
    let (own, validation, test) = (kernel(transposed.t()?.contiguous()?)?, kernel(validation?)?, kernel(test?)?);
    let size = (0..own.len()).map(|i| own[i][i]).sum::<f64>() / own.len() as f64;
    let middle = mean(points);
    let predict = |kernel: &[Vec<f64>], weights: &[Vec<f64>; 2]| -> Vec<[f64; 2]> {
        kernel.iter().map(|row| [0, 1].map(|axis| middle[axis] + dot(row, &weights[axis]))).collect()
    };
    let mut best: Option<(f64, [Vec<f64>; 2])> = None;
    for strength in STRENGTHS {
        let targets = [0, 1].map(|axis| points.iter().map(|point| point[axis] - middle[axis]).collect::<Vec<f64>>());
        let weights = targets.map(|target| solve(&own, strength * size, &target));
        let r2 = explained(&predict(&validation, &weights), validation_points);
        if best.as_ref().is_none_or(|(other, _)| r2 > *other) {
            best = Some((r2, weights));
        }
    }
    let (_, weights) = best.context("no regularisation was tried")?;
    Ok(predict(&test, &weights))
}

/// Solves (K + λ) w = y for a symmetric positive semidefinite K by conjugate gradients (Hestenes & Stiefel 1952).
fn solve(kernel: &[Vec<f64>], lambda: f64, y: &[f64]) -> Vec<f64> {
    let mut solution = vec![0.; y.len()];
    let (mut residual, mut direction) = (y.to_vec(), y.to_vec());
    let mut norm = dot(&residual, &residual);
    let enough = norm * TOLERANCE * TOLERANCE;
    for _ in 0..STEPS {
        if norm <= enough {
            break;
        }
        let image: Vec<f64> =
            kernel.iter().zip(&direction).map(|(row, own)| dot(row, &direction) + lambda * own).collect();
        let step = norm / dot(&direction, &image);
        solution.iter_mut().zip(&direction).for_each(|(value, along)| *value += step * along);
        residual.iter_mut().zip(&image).for_each(|(value, along)| *value -= step * along);
        let next = dot(&residual, &residual);
        direction.iter_mut().zip(&residual).for_each(|(along, residual)| *along = residual + next / norm * *along);
        norm = next;
    }
    solution
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn a_linear_function_of_the_features_is_found_also_with_more_features_than_images() {
        let features = |count: usize, phase: f64| {
            let values = (0..count * 60).map(|i| ((i * i + 7 * i) as f64 * 0.37 + phase).sin() as f32).collect();
            Tensor::from_vec(values, (count, 60), &Device::Cpu).unwrap()
        };
        let points = |features: &Tensor| -> Vec<[f64; 2]> {
            let rows = features.to_vec2::<f32>().unwrap();
            rows.iter().map(|row| [30. + 5. * f64::from(row[0]), 20. - 3. * f64::from(row[1] + row[2])]).collect()
        };
        let [train, validation, test] = [features(300, 0.), features(80, 1.), features(90, 2.)];
        let predicted = regress(&train, &points(&train), &validation, &points(&validation), &test).unwrap();
        assert!(explained(&predicted, &points(&test)) > 0.999);
        let few = train.narrow(0, 0, 40).unwrap();
        let predicted = regress(&few, &points(&few), &validation, &points(&validation), &test).unwrap();
        assert!(explained(&predicted, &points(&test)) > 0.2);
    }

    #[test]
    fn the_solver_solves() {
        let kernel = vec![vec![4., 1., 0.], vec![1., 3., 1.], vec![0., 1., 2.]];
        let solution = solve(&kernel, 0.5, &[1., 2., 3.]);
        let image: Vec<f64> = kernel.iter().zip(&solution).map(|(row, own)| dot(row, &solution) + 0.5 * own).collect();
        assert!(image.iter().zip([1., 2., 3.]).all(|(ours, known)| (ours - known).abs() < 1e-5), "{image:?}");
    }

    #[test]
    fn features_that_say_nothing_explain_nothing() {
        assert!(explained(&[[1., 1.]; 3], &[[0., 0.], [1., 1.], [2., 2.]]).abs() < 1e-12);
        let points = [[0., 5.], [3., 1.]];
        assert!((explained(&points, &points) - 1.).abs() < 1e-12);
        assert!(contains([2, 2, 4, 4], [2., 3.9]) && !contains([2, 2, 4, 4], [4., 3.]));
    }
}
