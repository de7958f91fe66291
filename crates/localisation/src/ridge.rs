//! Ridge regression in its dual form, from the products of feature vectors: there can be far more features than samples.

/// The strengths of the regularisation that are tried, relative to the mean of a sample's squared features, the strongest
/// first.
const STRENGTHS: [f64; 6] = [10., 1., 1e-1, 1e-2, 1e-3, 1e-4];
/// The largest number of steps of the solver, and the residual, relative to the targets, at which it stops.
const STEPS: usize = 200;
const TOLERANCE: f64 = 1e-4;

/// A point (y, x) of an image.
pub type Position = [f64; 2];

/// The products of the centred feature vectors of some samples with those of the samples that are fitted, one row for each
/// of the former.
pub type Products = Vec<Vec<f64>>;

/// Predicts positions from feature vectors by ridge regression.
///
/// `fitted` are the products of the fitted samples among themselves, `validation` and `test` those of other samples with
/// them. The regularisation is the one that predicts best for the validation samples.
pub fn predict_positions(
    fitted: &Products,
    positions: &[Position],
    (validation, validation_positions): (&Products, &[Position]),
    test: &Products,
) -> Vec<Position> {
    let size = (0..fitted.len()).map(|i| fitted[i][i]).sum::<f64>() / fitted.len().max(1) as f64;
    let middle = mean(positions);
    let predict = |products: &Products, weights: &[Vec<f64>; 2]| -> Vec<Position> {
        products.iter().map(|row| [0, 1].map(|axis| middle[axis] + dot(row, &weights[axis]))).collect()
    };
    let targets = [0, 1].map(|axis| positions.iter().map(|point| point[axis] - middle[axis]).collect::<Vec<f64>>());
    let mut weights = targets.each_ref().map(|target| vec![0.; target.len()]);
    let mut best = (f64::NEG_INFINITY, weights.clone());
    for strength in STRENGTHS {
        // The solution for a stronger regularisation is a good start.
        weights = [0, 1].map(|axis| solve(fitted, strength * size, &targets[axis], &weights[axis]));
        let r2 = explained_variance(&predict(validation, &weights), validation_positions);
        if r2 > best.0 {
            best = (r2, weights.clone());
        }
    }
    predict(test, &best.1)
}

/// The share of the variance of both coordinates that predictions explain (R²); negative if they are worse than the mean.
pub fn explained_variance(predicted: &[Position], actual: &[Position]) -> f64 {
    let mean = mean(actual);
    let squares = |a: &Position, b: &Position| (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2);
    let residual: f64 = predicted.iter().zip(actual).map(|(predicted, actual)| squares(predicted, actual)).sum();
    1. - residual / actual.iter().map(|actual| squares(actual, &mean)).sum::<f64>()
}

fn mean(points: &[Position]) -> Position {
    [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / points.len() as f64)
}

/// Solves (K + λ) w = y for a symmetric positive semidefinite K by conjugate gradients (Hestenes & Stiefel 1952), from a
/// first guess.
fn solve(kernel: &[Vec<f64>], lambda: f64, y: &[f64], guess: &[f64]) -> Vec<f64> {
    let apply = |w: &[f64]| -> Vec<f64> { kernel.iter().zip(w).map(|(row, own)| dot(row, w) + lambda * own).collect() };
    let mut solution = guess.to_vec();
    let mut residual: Vec<f64> = y.iter().zip(apply(guess)).map(|(y, now)| y - now).collect();
    let mut direction = residual.clone();
    let mut norm = dot(&residual, &residual);
    let enough = dot(y, y) * TOLERANCE * TOLERANCE;
    for _ in 0..STEPS {
        if norm <= enough {
            break;
        }
        let image = apply(&direction);
        let step = norm / dot(&direction, &image);
        solution.iter_mut().zip(&direction).for_each(|(value, along)| *value += step * along);
        residual.iter_mut().zip(&image).for_each(|(value, along)| *value -= step * along);
        let next = dot(&residual, &residual);
        direction.iter_mut().zip(&residual).for_each(|(along, residual)| *along = residual + next / norm * *along);
        norm = next;
    }
    solution
}

/// The sum of products, in eight lanes so that it is computed in vectors.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        (0..8).for_each(|lane| lanes[lane] += a[lane] * b[lane]);
    }
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(count: usize, phase: f64) -> Vec<Vec<f64>> {
        (0..count)
            .map(|i| (0..60).map(|j| (((i * 60 + j).pow(2) + 7 * j) as f64 * 0.37 + phase).sin()).collect())
            .collect()
    }

    fn products(samples: &[Vec<f64>], fitted: &[Vec<f64>]) -> Products {
        samples.iter().map(|a| fitted.iter().map(|b| dot(a, b)).collect()).collect()
    }

    fn r2_of(fitted: usize) -> f64 {
        let [train, validation, test] = [features(fitted, 0.), features(80, 1.), features(90, 2.)];
        let positions = |samples: &[Vec<f64>]| -> Vec<Position> {
            samples.iter().map(|row| [30. + 5. * row[0], 20. - 3. * (row[1] + row[2])]).collect()
        };
        let own = products(&train, &train);
        let others = products(&validation, &train);
        let predicted =
            predict_positions(&own, &positions(&train), (&others, &positions(&validation)), &products(&test, &train));
        explained_variance(&predicted, &positions(&test))
    }

    #[test]
    fn a_linear_function_of_the_features_is_found_and_with_fewer_samples_than_features_in_part() {
        assert!(r2_of(300) > 0.99, "{}", r2_of(300));
        let few = r2_of(40);
        assert!(few > 0.2 && few < 0.99, "{few}");
    }

    #[test]
    fn the_solver_solves_from_any_guess() {
        let kernel = [vec![4., 1., 0.], vec![1., 3., 1.], vec![0., 1., 2.]];
        for guess in [[0.; 3], [5., -1., 2.]] {
            let solution = solve(&kernel, 0.5, &[1., 2., 3.], &guess);
            let image = kernel.iter().zip(&solution).map(|(row, own)| dot(row, &solution) + 0.5 * own);
            assert!(image.zip([1., 2., 3.]).all(|(ours, known)| (ours - known).abs() < 1e-3), "{solution:?}");
        }
    }

    #[test]
    fn the_mean_explains_nothing_and_the_truth_everything() {
        assert!(explained_variance(&[[1., 1.]; 3], &[[0., 0.], [1., 1.], [2., 2.]]).abs() < 1e-12);
        let points = [[0., 5.], [3., 1.]];
        assert!((explained_variance(&points, &points) - 1.).abs() < 1e-12);
    }
}
