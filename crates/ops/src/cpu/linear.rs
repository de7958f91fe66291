//! Fully connected layers: `y = x · Wᵀ + b` with x (N, D), W (K, D) and y (N, K).
//!
//! All sums have an order that follows from the shapes alone. Rows of a result may be divided into tasks by the number of
//! threads, because no sum runs over rows.

use std::sync::OnceLock;

use super::{
    dot_products::{DotProducts, ROWS_PER_PASS},
    matmul::{Matrix, Packed, matmul, matmul_packed, product},
    parallel,
    simd::dispatch,
};

/// The largest number of inputs for which dot products are faster than a matrix product.
const MAX_DOT_PRODUCT_BATCH: usize = 8;

/// The largest number of outputs for which dot products are faster than a matrix product, if they are long enough.
const MAX_DOT_PRODUCT_OUTPUTS: usize = 16;

/// The least length of dot products that is worth the addition of the lanes at their end.
const MIN_DOT_PRODUCT_LEN: usize = 128;

/// A fully connected layer.
pub struct Layer<'a> {
    /// W, (K, D).
    pub weight: &'a [f32],
    /// b, (K).
    pub bias: Option<&'a [f32]>,
    /// D and K.
    pub size: [usize; 2],
    /// True to apply ReLU.
    pub relu: bool,
    /// Keeps W in the order of matrix products; `None` if the weights change from call to call.
    pub packed: Option<&'a OnceLock<Packed>>,
}

impl Layer<'_> {
    /// Computes the results (N, K) of `x` (N, D).
    pub fn forward(&self, x: &[f32], n: usize) -> Vec<f32> {
        let [d, k] = self.size;
        if self.packed.is_none() && !self.sums_dot_products(n) {
            return product(Matrix::new(x, n, d), Matrix::new(self.weight, k, d).transposed(), |first, row| {
                self.finish(first, row);
            });
        }
        let mut y = vec![0f32; n * k];
        self.forward_into(x, &mut y);
        y
    }

    /// Returns whether the results of `n` inputs are dot products, not a matrix product.
    fn sums_dot_products(&self, n: usize) -> bool {
        let [d, k] = self.size;
        n <= MAX_DOT_PRODUCT_BATCH || k <= MAX_DOT_PRODUCT_OUTPUTS && d >= MIN_DOT_PRODUCT_LEN
    }

    /// Adds the bias to a part of a row of results, from number `first` on, and applies ReLU.
    fn finish(&self, first: usize, row: &mut [f32]) {
        if let Some(bias) = self.bias {
            row.iter_mut().zip(&bias[first..]).for_each(|(y, b)| *y += b);
        }
        if self.relu {
            // Not `max`, so that NaN stays NaN.
            row.iter_mut().for_each(|y| *y = if *y < 0. { 0. } else { *y });
        }
    }

    /// Computes [`forward`](Self::forward) into a given buffer.
    pub fn forward_into(&self, x: &[f32], y: &mut [f32]) {
        let &Self { weight, bias, size: [d, k], relu, packed } = self;
        let n = y.len() / k;
        // To wake threads for a single input takes longer than the products.
        if n == 1 && parallel::are_threads_awake() {
            let rows = k.div_ceil(parallel::parts()).next_multiple_of(ROWS_PER_PASS);
            return parallel::chunks(y, rows, 2 * d * k, |i, y| {
                let of_rows = i * rows..i * rows + y.len();
                let (weight, bias) = (&weight[of_rows.start * d..of_rows.end * d], bias.map(|bias| &bias[of_rows]));
                dispatch(DotProducts { x, weight, inputs: d, bias, relu, y });
            });
        }
        if self.sums_dot_products(n) {
            let rows = n.div_ceil(parallel::threads()).next_multiple_of(MAX_DOT_PRODUCT_BATCH);
            return parallel::chunks(y, rows * k, 2 * n * d * k, |i, y| {
                let x = &x[i * rows * d..][..y.len() / k * d];
                dispatch(DotProducts { x, weight, inputs: d, bias, relu, y });
            });
        }
        let finish = |rows: &mut [f32]| rows.chunks_exact_mut(k).for_each(|row| self.finish(0, row));
        let (x, weight) = (Matrix::new(x, n, d), Matrix::new(weight, k, d).transposed());
        let Some(packed) = packed else { return matmul(y, x, weight, finish) };
        // On this thread: while it waited for others, it could take up another call for this layer, which would wait for this one.
        let packed = packed.get_or_init(|| parallel::on_this_thread(|| Packed::new(weight)));
        matmul_packed(y, x, packed, finish);
    }
}

/// Computes the gradient of the input, `dx = dy · W`.
pub fn backward_x(weight: &[f32], dy: &[f32], [n, d, k]: [usize; 3]) -> Vec<f32> {
    product(Matrix::new(dy, n, k), Matrix::new(weight, k, d), |_, _| ())
}

/// Computes the gradient of the weights, `dW = dyᵀ · x`.
pub fn backward_weight(x: &[f32], dy: &[f32], [n, d, k]: [usize; 3]) -> Vec<f32> {
    product(Matrix::new(dy, n, k).transposed(), Matrix::new(x, n, d), |_, _| ())
}

/// Computes the gradient of the bias, the sum of `dy` over the batch.
pub fn backward_bias(dy: &[f32], k: usize) -> Vec<f32> {
    let mut db = vec![0f32; k];
    for row in dy.chunks_exact(k) {
        db.iter_mut().zip(row).for_each(|(db, dy)| *db += dy);
    }
    db
}
