//! The choice of the algorithm for a convolution. It depends on the sizes alone, never on values or the number of
//! threads: another algorithm rounds differently, so the choice is part of what makes results reproducible.

use super::{
    algorithm::{BackwardAlgorithm, ForwardAlgorithm},
    conv1x1::{self, Conv1x1Backward, Conv1x1Forward},
    direct::{DirectBackward, DirectForward},
    plane_wise::PlaneWiseForward,
    shape::ConvShape,
    sparse::{self, SparseBackward},
    winograd::{self, F2, F4, WinogradBackward, WinogradForward},
};
use crate::cpu::{map_order::MapOrder, planes::Grid, simd::BLOCK_WIDTH};

/// The largest number of values of the masks of a plane-wise convolution, 1 GiB. Only enormous kernels have more.
const MOST_MASKS: usize = 1 << 28;

/// The computation that an algorithm is chosen for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// The forward pass, with a backward pass to follow.
    Forward,
    /// The forward pass without a backward pass.
    Inference,
    /// The backward pass.
    Backward,
}

/// The algorithms of the forward and backward passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Direct,
    PlaneWise,
    Conv1x1,
    WinogradF2,
    WinogradF4,
    Sparse,
}

/// Chooses the algorithm for a pass of a convolution.
fn choose(s: &ConvShape, pass: Pass) -> Algorithm {
    if pass == Pass::Backward && sparse::supports(s) {
        return Algorithm::Sparse;
    }
    if conv1x1::supports(s) {
        return Algorithm::Conv1x1;
    }
    // Here channels last would leave half a block of output channels empty, and the change of layout would take as long
    // as the products.
    let few_channels = s.in_channels <= 4 && s.out_channels <= BLOCK_WIDTH / 2;
    let small_masks = || Grid::most_masks(&s.window, s.input, s.output) <= MOST_MASKS;
    if pass != Pass::Backward && few_channels && !s.is_pooled() && small_masks() {
        return Algorithm::PlaneWise;
    }
    if !winograd::supports(s) {
        return Algorithm::Direct;
    }
    // F(4×4) takes fewer multiplications, except where much of its tiles lies beyond the edge of the image. Its transforms
    // round more than those of F(2×2). In training this is at most twice the rounding of a plain sum, which takes a sum
    // over enough channels, in the forward pass and for the gradient of the input.
    let rounds_little = pass == Pass::Inference || s.in_channels.min(s.out_channels) >= winograd::LEAST_CHANNELS_OF_F4;
    if rounds_little && winograd::multiplications::<4>(s) < winograd::multiplications::<2>(s) {
        return Algorithm::WinogradF4;
    }
    Algorithm::WinogradF2
}

/// Returns whether both passes have algorithms for feature maps in the order [`MapOrder::Pixels`], and these pay.
pub fn takes_pixels(s: &ConvShape) -> bool {
    // In planes, the blocks of a 1×1 convolution are full for any number of channels.
    let fills_blocks = s.out_channels.is_multiple_of(BLOCK_WIDTH) || !s.is_pointwise();
    let s = ConvShape { input_order: MapOrder::Pixels, result_order: MapOrder::Pixels, ..*s };
    fills_blocks && [Pass::Forward, Pass::Backward].into_iter().all(|pass| choose(&s, pass) != Algorithm::PlaneWise)
}

/// Creates the algorithm for a forward pass, with its weights packed from (C_out, C_in, kh, kw).
pub fn forward(s: &ConvShape, pass: Pass, weight: &[f32]) -> Box<dyn ForwardAlgorithm> {
    // A batch in training has to split into enough parallel tasks; in inference it is divided before it gets here.
    let most_images = if pass == Pass::Inference { 8 } else { 4 };
    match choose(s, pass) {
        Algorithm::PlaneWise => Box::new(PlaneWiseForward::new(s, weight)),
        Algorithm::Conv1x1 => Box::new(Conv1x1Forward::new(s, weight)),
        Algorithm::WinogradF2 => Box::new(WinogradForward::<F2, 2, 4>::new(s, weight, most_images)),
        Algorithm::WinogradF4 => Box::new(WinogradForward::<F4, 4, 6>::new(s, weight, most_images)),
        // Sparse is never chosen for a forward pass.
        Algorithm::Direct | Algorithm::Sparse => Box::new(DirectForward::new(s, weight)),
    }
}

/// Creates the algorithm for a backward pass. `weight` (C_out, C_in, kh, kw) is packed for the gradient of the input; it is
/// `None` if the input needs no gradient.
pub fn backward(s: &ConvShape, weight: Option<&[f32]>) -> Box<dyn BackwardAlgorithm> {
    match choose(s, Pass::Backward) {
        Algorithm::Sparse => Box::new(SparseBackward::new(s, weight)),
        Algorithm::Conv1x1 => Box::new(Conv1x1Backward::new(s, weight)),
        Algorithm::WinogradF2 => Box::new(WinogradBackward::<F2, 2, 4>::new(s, weight)),
        Algorithm::WinogradF4 => Box::new(WinogradBackward::<F4, 4, 6>::new(s, weight)),
        // PlaneWise is never chosen for a backward pass.
        Algorithm::Direct | Algorithm::PlaneWise => Box::new(DirectBackward::new(s, weight)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cpu::epilogue::Epilogue, window::Window};

    fn chosen(in_channels: usize, out_channels: usize, window: Window, epilogue: Epilogue) -> [Algorithm; 3] {
        let input = [12; 2];
        let output = window.output_size(input).unwrap();
        let (input_order, result_order) = (MapOrder::Planes, MapOrder::Planes);
        let s = ConvShape {
            batch: 1,
            in_channels,
            out_channels,
            input,
            output,
            window,
            epilogue,
            input_order,
            result_order,
        };
        [Pass::Forward, Pass::Inference, Pass::Backward].map(|pass| choose(&s, pass))
    }

    #[test]
    fn the_sizes_decide_the_algorithm_of_each_pass() {
        use Algorithm::*;
        let three = Window::conv(3).padding(1);
        assert_eq!(chosen(1, 8, three, Epilogue::Relu), [PlaneWise, PlaneWise, Direct]);
        assert_eq!(chosen(3, 16, three, Epilogue::Relu), [Direct; 3]);
        assert_eq!(chosen(8, 8, three, Epilogue::Relu), [WinogradF2, WinogradF4, WinogradF2]);
        assert_eq!(chosen(16, 32, three, Epilogue::Relu), [WinogradF2, WinogradF4, WinogradF2]);
        assert_eq!(chosen(32, 32, three, Epilogue::Relu), [WinogradF4; 3]);
        assert_eq!(chosen(8, 8, three.stride(2), Epilogue::Relu), [Direct; 3]);
        assert_eq!(chosen(8, 8, three, Epilogue::ReluMaxPool), [WinogradF2, WinogradF4, Sparse]);
        assert_eq!(chosen(1, 8, Window::conv(5), Epilogue::ReluMaxPool), [Direct; 3]);
        assert_eq!(chosen(8, 8, Window::conv(1), Epilogue::None), [Conv1x1; 3]);
        assert_eq!(chosen(8, 8, Window::conv(1).stride(2), Epilogue::None), [Direct; 3]);
        assert_eq!(chosen(16, 8, Window::conv(1), Epilogue::ReluMaxPool), [Direct, Direct, Sparse]);
    }
}
