//! Convolutions in a row as one operator.

use std::sync::OnceLock;

use candle_core::{Context, Result, Shape, Tensor};

use crate::{
    Epilogue, Window,
    conv::convolve,
    conv_dense::{conv_shape, saved_epilogue},
    cpu::{
        Gradients,
        backward_pass::BackwardPass,
        conv::{self, ConvShape, MapOrder},
        conv_input::ConvInput,
        fast,
        image_sums::ImageSums,
    },
    weighted::{BackwardArgs, Weighted, apply, concatenated},
};

/// A convolution with its epilogue: one layer of [`conv2d_sequence`].
#[derive(Debug, Clone, Copy)]
pub struct SequenceConv<'a> {
    /// The weights, (C_out, C_in, kh, kw).
    pub weight: &'a Tensor,
    /// The bias, (C_out).
    pub bias: Option<&'a Tensor>,
    /// The kernel size, stride and padding.
    pub window: Window,
    /// The operations that follow the convolution.
    pub epilogue: Epilogue,
}

/// Computes convolutions one after the other as one operator: for each layer [`conv2d`](crate::conv2d) and its epilogue.
///
/// The result and the gradients are the same to the bit as those of separate operators. Between the layers the feature maps
/// stay in the order in which the kernels compute, channels last, so that they are not transposed, and their gradients do not
/// pass through candle.
///
/// # Shapes
/// The same as for [`conv2d`](crate::conv2d) in turn.
///
/// # Errors
/// The same as for [`conv2d`](crate::conv2d), and no layer at all.
///
/// # Example
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ops::{Epilogue, SequenceConv, Window, conv2d_sequence};
///
/// # fn main() -> candle_core::Result<()> {
/// let image = Tensor::randn(0f32, 1., (2, 1, 28, 28), &Device::Cpu)?;
/// let weights = [
///     Tensor::randn(0f32, 1., (32, 1, 3, 3), &Device::Cpu)?,
///     Tensor::randn(0f32, 1., (64, 32, 3, 3), &Device::Cpu)?,
/// ];
/// let layers = weights.each_ref().map(|weight| SequenceConv {
///     weight,
///     bias: None,
///     window: Window::conv(3),
///     epilogue: Epilogue::ReluMaxPool,
/// });
/// assert_eq!(conv2d_sequence(&image, &layers)?.dims(), [2, 64, 5, 5]);
/// # Ok(())
/// # }
/// ```
pub fn conv2d_sequence(xs: &Tensor, layers: &[SequenceConv]) -> Result<Tensor> {
    let tensors: Vec<_> =
        layers.iter().flat_map(|layer| [Some(layer.weight), layer.bias]).flatten().chain([xs]).collect();
    if layers.len() < 2 || !fast(&tensors) {
        layers.first().context("conv2d_sequence: there is no layer")?;
        return layers.iter().try_fold(xs.clone(), |xs, layer| {
            convolve(&xs, layer.weight, layer.bias, &layer.window.into(), layer.epilogue)
        });
    }
    let weights = layers.iter().map(|layer| layer.weight.flatten_all()).collect::<Result<Vec<_>>>()?;
    let biases: Vec<Tensor> = layers.iter().filter_map(|layer| layer.bias).cloned().collect();
    let bias = if biases.is_empty() { None } else { Some(concatenated(&biases)?) };
    let operator = Sequence { steps: steps(xs.dims4()?, layers)?, results: OnceLock::new() };
    apply(xs, &concatenated(&weights)?, bias.as_ref(), operator)
}

/// Returns the steps of the layers for an input of these sizes, or an error if they do not fit it.
fn steps(input: (usize, usize, usize, usize), layers: &[SequenceConv]) -> Result<Vec<Step>> {
    let (mut sizes, mut steps) = (input, Vec::<Step>::new());
    for &SequenceConv { weight, bias, window, epilogue } in layers {
        let mut shape = conv_shape(sizes, weight, bias, &window, epilogue)?;
        let [height, width] = shape.result();
        sizes = (shape.batch, shape.out_channels, height, width);
        if let Some(previous) = steps.last_mut().map(|step| &mut step.shape)
            && conv::takes_pixels(previous)
            && conv::takes_pixels(&shape)
        {
            (previous.result_order, shape.input_order) = (MapOrder::Pixels, MapOrder::Pixels);
        }
        let (has_bias, trains_weight) = (bias.is_some(), weight.track_op());
        steps.push(Step { shape, weight_len: weight.elem_count(), has_bias, trains_weight });
    }
    Ok(steps)
}

/// A layer for an input of given sizes.
struct Step {
    shape: ConvShape,
    weight_len: usize,
    has_bias: bool,
    /// True if the weights take part in a graph.
    trains_weight: bool,
}

/// The operator, for a single call.
struct Sequence {
    steps: Vec<Step>,
    /// The results of all steps; the last one's values are those of the operator and not kept.
    results: OnceLock<Vec<conv::Output>>,
}

impl Sequence {
    /// Returns each step with its weights and bias, which are parts of all.
    fn with_parameters<'a>(
        &'a self,
        mut weights: &'a [f32],
        mut biases: &'a [f32],
    ) -> Vec<(&'a Step, &'a [f32], Option<&'a [f32]>)> {
        let parts = self.steps.iter().map(|step| {
            let (weight, bias);
            (weight, weights) = weights.split_at(step.weight_len);
            (bias, biases) = biases.split_at(if step.has_bias { step.shape.out_channels } else { 0 });
            (step, weight, step.has_bias.then_some(bias))
        });
        parts.collect()
    }
}

impl Weighted for Sequence {
    const NAME: &'static str = "conv2d-sequence";

    fn forward(&self, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> (Vec<f32>, Shape) {
        let mut results: Vec<conv::Output> = Vec::with_capacity(self.steps.len());
        for (step, weight, bias) in self.with_parameters(weight, bias.unwrap_or_default()) {
            let x = results.last().map_or(x, |previous| &previous.y);
            results.push(conv::forward(&step.shape, x, weight, bias, true));
        }
        let last = results.last_mut().expect("there are at least two layers");
        let (y, shape) = (std::mem::take(&mut last.y), &self.steps[results.len() - 1].shape);
        let [height, width] = shape.result();
        let shape = (shape.batch, shape.out_channels, height, width);
        // An operator is created for a single call, so nothing has been saved before.
        let _ = self.results.set(results);
        (y, Shape::from(shape))
    }

    fn backward(&self, args: BackwardArgs) -> Result<Gradients> {
        let results = self.results.get().context("internal: the operator has not run")?;
        let (mut dx, mut weights, mut biases) = (None::<Vec<f32>>, Vec::new(), Vec::new());
        let steps = self.with_parameters(args.weight, args.bias.unwrap_or_default());
        for (i, (step, weight, bias)) in steps.into_iter().enumerate().rev() {
            let y = if i + 1 == results.len() { args.y } else { &results[i].y };
            let x = if i == 0 { args.x } else { &results[i - 1].y };
            let pass = BackwardPass {
                x: ConvInput::Stored(x),
                weight,
                dy: dx.as_deref().unwrap_or(args.dy),
                saved: saved_epilogue(step.shape.epilogue, y, &results[i].winners),
                norm: None,
                want_dx: i > 0 || args.want_dx,
                want_dw: args.want_dw && step.trains_weight,
                dx_sums: ImageSums::NONE,
            };
            let (gradients, _) = conv::backward(&step.shape, &pass);
            dx = gradients.x;
            // The weights of all steps are one tensor for candle, so frozen ones have a gradient of zeros there.
            if args.want_dw {
                weights.push(gradients.weight.unwrap_or_else(|| vec![0.; weight.len()]));
            }
            if bias.is_some() {
                biases.push(gradients.bias);
            }
        }
        let [weight, bias] = [weights, biases].map(|parts| parts.into_iter().rev().flatten().collect());
        Ok(Gradients { x: dx, weight: args.want_dw.then_some(weight), bias })
    }
}
