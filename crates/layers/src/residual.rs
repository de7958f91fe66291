use candle_core::{Result, Tensor, bail};
use ops::prepared::{Prepared, add_relu, scratch, transpose};

use crate::{
    description::Description,
    graph::{Graph, Value},
    layer::{Layer, Mode},
    relu::Relu,
    sequential::Sequential,
    training_block::TrainingBlock,
};

/// A residual block (He et al. 2015): `ReLU(body(x) + shortcut(x))`.
///
/// # Shapes
/// Those of the body; the shortcut must give the same output.
pub struct Residual {
    body: Sequential,
    /// `None` for the identity.
    shortcut: Option<Box<dyn Layer>>,
    /// The form for training, if one operator computes the block.
    pub(crate) fused: Option<TrainingBlock>,
}

impl Residual {
    /// Builds a block whose shortcut is the identity.
    pub fn new(body: Sequential) -> Self {
        let fused = body.steps.residual_block();
        Self { body, shortcut: None, fused }
    }

    /// Makes the shortcut a sequence, usually a 1x1 convolution (options B and C of the paper).
    ///
    /// In training, a convolution alone is fused with a body of convolutions and batch normalisation.
    pub fn with_projection(self, projection: Sequential) -> Self {
        let fused = self.body.steps.projected_residual_block(&projection.steps);
        Self { shortcut: Some(Box::new(projection)), fused, ..self }
    }

    /// Makes the shortcut any layer, such as a [`PaddedIdentity`](crate::PaddedIdentity).
    pub fn with_shortcut(self, shortcut: impl Layer + 'static) -> Self {
        Self { shortcut: Some(Box::new(shortcut)), fused: None, ..self }
    }
}

impl Layer for Residual {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        if let (Mode::Train { .. }, Some(fused)) = (mode, &self.fused) {
            return TrainingBlock::forward(xs, std::slice::from_ref(fused));
        }
        let shortcut = self.shortcut.as_ref().map_or(Ok(xs.clone()), |shortcut| shortcut.forward(xs, mode))?;
        ops::add_relu(&self.body.forward(xs, mode)?, &shortcut)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        let body = self.body.describe(input)?;
        let shortcut = self.shortcut.as_ref().map(|shortcut| shortcut.describe(input)).transpose()?;
        let other = shortcut.as_ref().map_or(input, |shortcut| &shortcut.output);
        if other != body.output {
            let body = &body.output;
            bail!("the body of a residual block gives {body:?} and its shortcut {other:?}; they must be equal")
        }
        // The sum replaces the output of the body, and the ReLU that of the sum.
        let relu = Relu.describe(&body.output)?.at("relu").in_place();
        let mut children = body.children;
        children.extend(shortcut.map(|shortcut| shortcut.at("downsample")));
        children.push(relu);
        // The shortcut sees nothing that the body does not see.
        Ok(Description::sum("Residual", children).with_receptive_field(body.receptive_field))
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        let output = self.describe(input)?.output;
        let positions = output[1..].iter().product();
        let shortcut = self.shortcut.as_ref().map(|shortcut| shortcut.prepare(input)).transpose()?;
        let body = self.body.prepare(input)?;
        Ok(Box::new(PreparedResidual { body, shortcut, output: [output[0], positions], channels_last: [false; 2] }))
    }

    fn export(&self, input: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let body = self.body.export(input, graph, xs)?;
        let export = |shortcut: &dyn Layer| graph.scoped("downsample", |graph| shortcut.export(input, graph, xs));
        let shortcut = self.shortcut.as_deref().map_or(Ok(xs.clone()), export)?;
        let sum = graph.node("Add", &[&body, &shortcut], &[]);
        Relu.export(input, graph, &sum)
    }
}

struct PreparedResidual<'a> {
    body: Box<dyn Prepared + 'a>,
    /// `None` for the identity.
    shortcut: Option<Box<dyn Prepared + 'a>>,
    /// The numbers of channels and of positions of the output.
    output: [usize; 2],
    /// True for the input and for the output if its values are in the order (H, W, C).
    channels_last: [bool; 2],
}

impl Prepared for PreparedResidual<'_> {
    fn sizes(&self) -> [usize; 2] {
        self.body.sizes()
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        self.batch(x, y)?;
        self.body.run(x, y)?;
        let Some(shortcut) = &self.shortcut else {
            let [channels, positions] = self.output;
            return match self.channels_last {
                [true, false] => scratch(y.len(), |x_in_planes| {
                    transpose(x, x_in_planes, [positions, channels])?;
                    add_relu(x_in_planes, y)
                }),
                [false, true] => scratch(y.len(), |x_in_pixels| {
                    transpose(x, x_in_pixels, [channels, positions])?;
                    add_relu(x_in_pixels, y)
                }),
                _ => add_relu(x, y),
            };
        };
        scratch(y.len(), |short| {
            shortcut.run(x, short)?;
            add_relu(short, y)
        })
    }

    fn flops(&self) -> usize {
        self.body.flops().saturating_add(self.shortcut.as_ref().map_or(0, |shortcut| shortcut.flops()))
    }

    fn divides_input(&self) -> bool {
        self.body.divides_input() || self.shortcut.as_ref().is_some_and(|shortcut| shortcut.divides_input())
    }

    fn working_set(&self) -> usize {
        self.sizes().iter().sum::<usize>() + self.body.working_set()
    }

    fn can_be_channels_last(&self) -> [bool; 2] {
        let (body, shortcut) = (self.body.can_be_channels_last(), &self.shortcut);
        shortcut.as_ref().map_or(body, |shortcut| {
            let shortcut = shortcut.can_be_channels_last();
            [0, 1].map(|side| body[side] && shortcut[side])
        })
    }

    fn set_channels_last(&mut self, sides: [bool; 2]) {
        self.channels_last = sides;
        self.body.set_channels_last(sides);
        if let Some(shortcut) = &mut self.shortcut {
            shortcut.set_channels_last(sides);
        }
    }
}
