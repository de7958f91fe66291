//! What an algorithm implements. The two passes of a convolution may be computed by different algorithms, and some
//! algorithms have only one of them, so there is a trait for each pass. A value that implements one is made for a
//! convolution of given sizes, and holds the weights in the order in which its kernels read them.
//!
//! The methods are called once for a few images: a virtual call costs nothing there, while the loops below are compiled
//! for each algorithm and instruction set.

use std::ops::Range;

use crate::cpu::{
    backward_pass::BackwardPass, conv_input::ConvInput, image_groups::GroupGradients, map_order::MapOrder,
};

/// The forward pass of a convolution algorithm.
pub trait ForwardAlgorithm: Send + Sync {
    /// Returns the largest number of images for one call of [`forward`](Self::forward).
    fn images_per_call(&self) -> usize {
        1
    }

    /// Returns whether [`set_orders`](Self::set_orders) may be called.
    fn has_orders(&self) -> bool {
        false
    }

    /// Sets the orders of input images and of results.
    fn set_orders(&mut self, orders: [MapOrder; 2]) {
        unreachable!("the algorithm computes with planes, not {orders:?}")
    }

    /// Convolves a few images `x` and applies bias and epilogue. Images and results are in the orders of the shape.
    ///
    /// `y`, and the winners of max pooling if they are wanted, are overwritten. `winners` is `None`
    /// for an epilogue without pooling.
    fn forward(&self, x: ConvInput, bias: Option<&[f32]>, y: &mut [f32], winners: Option<&mut [u8]>);

    /// Returns the least number of rows of the result that are worth a call of [`forward_rows`](Self::forward_rows); `None` if
    /// the algorithm only computes whole images.
    fn rows_per_band(&self) -> Option<usize> {
        None
    }

    /// Computes some rows of the result of one image as [`forward`](Self::forward) does, and writes them to `y`. `rows` start at
    /// a multiple of [`rows_per_band`](Self::rows_per_band), and the order of results is [`MapOrder::Pixels`].
    fn forward_rows(&self, _x: ConvInput, _bias: Option<&[f32]>, rows: Range<usize>, _y: &mut [f32]) {
        unreachable!("the algorithm computes whole images, not only rows {rows:?}")
    }
}

/// The backward pass of a convolution algorithm.
pub trait BackwardAlgorithm: Send + Sync {
    /// Returns the length of the weight gradient as this algorithm accumulates it.
    fn weight_gradient_len(&self) -> usize;

    /// Adds the part of some images to the gradients of weights and bias, and writes their dx if it is wanted.
    fn add_gradients(&self, pass: &BackwardPass, images: Range<usize>, gradients: GroupGradients);

    /// Converts an accumulated weight gradient to (C_out, C_in, kh, kw).
    fn weight_gradient(&self, accumulated: &[f32]) -> Vec<f32>;
}
