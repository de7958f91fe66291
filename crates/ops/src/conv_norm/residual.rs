use candle_core::{Context, Result, Shape, Tensor, bail};

use super::{
    layer::{ConvBatchNorm, Nchw},
    sequence::Sequence,
};
use crate::{
    Epilogue, Window,
    conv_dense::conv_shape,
    cpu::{
        backward_pass::BackwardPass,
        conv::{self, ConvShape},
        conv_input::ConvInput,
        epilogue::SavedEpilogue,
        finish::Finish,
        map_order::MapOrder,
        relu,
    },
    parameterised::{Parameterised, ParameterisedArgs, ParameterisedGradients},
};

/// The convolution on the shortcut of a residual block, where the shortcut is not the identity (He et al. 2015, options
/// B and C).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Projection<'a> {
    /// The weights, (C_out, C_in, kh, kw).
    pub weight: &'a Tensor,
    /// The bias, (C_out).
    pub bias: Option<&'a Tensor>,
    /// The kernel size, stride and padding.
    pub window: Window,
}

impl<'a> Projection<'a> {
    /// Creates a projection with the given weights (C_out, C_in, kh, kw) and bias (C_out).
    pub fn new(weight: &'a Tensor, bias: Option<&'a Tensor>, window: Window) -> Self {
        Self { weight, bias, window }
    }
}

/// The operator, for a single call.
pub struct Residual {
    pub body: Sequence,
    projection: Option<ConvShape>,
    /// True if the weights of the projection need a gradient.
    trains_projection: bool,
}

impl Residual {
    /// Creates the operator for an input of the given sizes, or fails if the layers or the shortcut do not fit it.
    pub fn new(input: Nchw, layers: &[ConvBatchNorm], projection: Option<&Projection>) -> Result<Self> {
        let body = Sequence::new(input, layers)?;
        let projected = |p: &Projection| conv_shape(input, p.weight, p.bias, &p.window, Epilogue::None);
        let shape = projection.map(projected).transpose()?;
        let shortcut = shape.map_or(input, |s| (s.batch, s.out_channels, s.output[0], s.output[1]));
        if shortcut != body.result {
            bail!("residual block: the shortcut {shortcut:?} does not have the shape {:?} of the layers", body.result)
        }
        let trains_projection = projection.is_some_and(|projection| projection.weight.track_op());
        Ok(Self { body, projection: shape, trains_projection })
    }

    /// Returns whether the input and the result may be channels last. Without a projection, they are in the same order.
    pub fn takes_pixels(&self) -> [bool; 2] {
        let of_body = self.body.takes_pixels();
        match &self.projection {
            Some(projection) => of_body.map(|takes| takes && conv::takes_pixels(projection)),
            None => [of_body == [true; 2]; 2],
        }
    }

    /// Returns whether the input and the result have to be in the same order.
    pub fn keeps_order(&self) -> bool {
        self.projection.is_none()
    }

    /// Sets the orders of the input and of the result, which are planes unless they are set.
    pub fn set_orders(&mut self, orders: [MapOrder; 2]) {
        self.body.set_orders(orders);
        if let Some(projection) = &mut self.projection {
            [projection.input_order, projection.result_order] = orders;
        }
    }
}

/// The parameters are those of all layers, and the weights and the bias of the projection.
impl Parameterised for Residual {
    fn forward(&self, x: &[f32], parameters: &[&[f32]]) -> (Vec<f32>, Shape) {
        let (of_body, of_projection) = parameters.split_at(self.body.parameter_count());
        let projected = self.projection.as_ref().map(|s| {
            let (weight, bias) = (of_projection[0], of_projection.get(1).copied());
            conv::forward(s, x, weight, bias, false).y
        });
        let shortcut = projected.as_deref().unwrap_or(x);
        (self.body.forward_with_shortcut(x, of_body, Some(shortcut)), Shape::from(self.body.result))
    }

    fn backward(&self, args: ParameterisedArgs) -> Result<ParameterisedGradients> {
        let (of_body, of_projection) = args.parameters.split_at(self.body.parameter_count());
        let last = self.body.steps.last().context("internal: a residual block without a layer")?;
        let (dy, sums) = last.with_gradient_sums(|finish| {
            let batch = self.body.result.0;
            relu::backward_images(args.y, args.dy, batch, finish)
        })?;
        let shortcut = self.projection.as_ref().map(|s| {
            let (x, saved, want_dx) = (ConvInput::Stored(args.x), SavedEpilogue::Nothing, args.want_dx);
            let (norm, want_dw, finish_dx) = (None, self.trains_projection, Finish::NOTHING);
            let weight = of_projection[0];
            let pass = BackwardPass { x, weight, dy: &dy, saved, norm, want_dx, want_dw, finish_dx };
            conv::backward(s, &pass).0
        });
        // The gradient of the shortcut's input, which is added to that of the body's.
        let add = shortcut.as_ref().map_or(Some(&dy), |shortcut| shortcut.x.as_ref());
        let finish_dx = Finish { add: add.map(|add| &add[..]), ..Finish::NOTHING };
        let args = ParameterisedArgs { parameters: of_body, dy: &dy, ..args };
        let mut gradients = self.body.backward_from_sums(args, Some(sums), finish_dx)?;
        if let Some(shortcut) = shortcut {
            let of_projection = [shortcut.weight, Some(shortcut.bias)].into_iter().take(of_projection.len());
            gradients.parameters.extend(of_projection);
        }
        Ok(gradients)
    }
}
