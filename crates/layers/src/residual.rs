use crate::prepared::volume;
use crate::{Description, Layer, Mode, Normalised, Prepared, Sequential, Window};
use candle_core::{Result, Tensor, bail};
use ops::prepared::{add_relu, scratch};

/// A residual block (He et al. 2015): `ReLU(body(x) + shortcut(x))`, with the identity where there is no shortcut.
pub struct Residual {
    body: Sequential,
    shortcut: Option<Box<dyn Layer>>,
}

impl Residual {
    pub fn new(body: Sequential, shortcut: Option<Box<dyn Layer>>) -> Self {
        Self { body, shortcut }
    }
}

impl Layer for Residual {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        if let (Mode::Train { .. }, Some(body)) = (mode, self.body.all_normalised()) {
            // Of other shortcuts there is no one operator.
            match self.shortcut.as_ref().map(|shortcut| shortcut.projection()) {
                None => return Normalised::train_residual(xs, &body, None),
                Some(Some(projection)) => return Normalised::train_residual(xs, &body, Some(projection)),
                Some(None) => {}
            }
        }
        let shortcut = self.shortcut.as_ref().map_or(Ok(xs.clone()), |s| s.forward(xs, mode))?;
        ops::add_relu(&self.body.forward(xs, mode)?, &shortcut)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        let body = self.body.describe(input)?;
        let shortcut = match &self.shortcut {
            Some(shortcut) => shortcut.describe(input)?,
            None => Description::pointwise("Identity", input.to_vec()),
        };
        if shortcut.output != body.output {
            bail!("residual block: the body gives {:?}, the shortcut {:?}", body.output, shortcut.output)
        }
        // The body sees more than the shortcut, so the block's receptive field is the body's.
        let (output, receptive_field) = (body.output.clone(), body.receptive_field.clone());
        let mut children = body.children;
        if self.shortcut.is_some() {
            children.push(shortcut.at("downsample"));
        }
        Ok(Description { output, receptive_field, ..Description::sum("Residual", children) })
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        self.describe(input)?;
        let shortcut = self.shortcut.as_ref().map(|shortcut| shortcut.prepare(input)).transpose()?;
        Ok(Box::new(PreparedResidual { body: self.body.prepare(input)?, shortcut }))
    }
}

struct PreparedResidual<'a> {
    body: Box<dyn Prepared + 'a>,
    shortcut: Option<Box<dyn Prepared + 'a>>,
}

impl Prepared for PreparedResidual<'_> {
    fn sizes(&self) -> [usize; 2] {
        self.body.sizes()
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        self.batch(x, y)?;
        self.body.run(x, y)?;
        let Some(shortcut) = &self.shortcut else {
            return add_relu(x, y);
        };
        scratch(y.len(), |short| {
            shortcut.run(x, short)?;
            add_relu(short, y)
        })
    }

    fn footprint(&self) -> usize {
        self.sizes().iter().sum::<usize>() + self.body.footprint()
    }
}

/// The shortcut without parameters of the CIFAR ResNets (He et al. 2015, option A): every `stride`-th pixel, and
/// channels of zeros, as many before as behind the input's.
#[derive(Debug, Clone, Copy)]
pub struct PaddedIdentity {
    pub stride: usize,
    pub channels: usize,
}

impl PaddedIdentity {
    /// A window of one pixel: pooling by it picks every `stride`-th.
    fn window(&self) -> Window {
        Window::pool(1).stride(self.stride)
    }
}

impl Layer for PaddedIdentity {
    fn forward(&self, xs: &Tensor, _mode: Mode) -> Result<Tensor> {
        let missing = self.channels - xs.dim(1)?;
        ops::max_pool2d(xs, &self.window())?.pad_with_zeros(1, missing / 2, missing - missing / 2)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        let &[channels, height, width] = input else { bail!("a shortcut takes (C, H, W), not {input:?}") };
        if channels > self.channels {
            bail!("a padded shortcut can't go from {channels} to {} channels", self.channels)
        }
        let [oh, ow] = self.window().output_size([height, width])?;
        let kind = format!("PaddedIdentity(stride {})", self.stride);
        Ok(Description::pointwise(kind, vec![self.channels, oh, ow]))
    }
    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        let output = volume(&self.describe(input)?.output)?;
        Ok(Box::new(PreparedIdentity { stride: self.stride, input: volume(input)?, output }))
    }
}

struct PreparedIdentity {
    stride: usize,
    /// (C, H, W)
    input: [usize; 3],
    output: [usize; 3],
}

impl Prepared for PreparedIdentity {
    fn sizes(&self) -> [usize; 2] {
        [self.input, self.output].map(|shape| shape.iter().product())
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        self.batch(x, y)?;
        let Self { stride, input: [channels, height, width], output: [outputs, oh, ow] } = *self;
        let before = (outputs - channels) / 2;
        y.fill(0.);
        for (y, x) in y.chunks_exact_mut(outputs * oh * ow).zip(x.chunks_exact(channels * height * width)) {
            let planes = y[before * oh * ow..].chunks_exact_mut(oh * ow).zip(x.chunks_exact(height * width));
            for (y, x) in planes {
                for (y, x) in y.chunks_exact_mut(ow).zip(x.chunks_exact(width).step_by(stride)) {
                    y.iter_mut().zip(x.iter().step_by(stride)).for_each(|(y, x)| *y = *x);
                }
            }
        }
        Ok(())
    }
}
