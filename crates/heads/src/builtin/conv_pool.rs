use candle_core::{Result, Tensor, bail};
use candle_nn::VarBuilder;
use layers::{
    graph::{Graph, Value},
    image_shape, uniform,
};
use ops::{
    Epilogue, Window,
    prepared::{Chain, Conv2d, Linear},
};

use super::global::Global;
use crate::{
    ClassifierHead, Description, Evidence, HeadBuilder, HeadKind, Layer, Mode, Pooling, Prepared, Reduction,
    class_activation_map, pooling::check_channels,
};

pub(super) const GAP: HeadKind = HeadKind::with_arguments(
    "gap",
    "1x1 convolution to the classes, global average (gap:direct: no convolution)",
    |arguments| parse(Global::Average, arguments),
)
.usage("gap, gap:direct");

pub(super) const GMP: HeadKind = HeadKind::with_arguments(
    "gmp",
    "1x1 convolution to the classes, global maximum (gmp:direct: no convolution)",
    |arguments| parse(Global::Maximum, arguments),
)
.usage("gmp, gmp:direct");

fn parse(pooling: Global, arguments: &str) -> Option<HeadBuilder> {
    let direct = match arguments {
        "" => false,
        ":direct" => true,
        _ => return None,
    };
    Some(HeadBuilder::new(arguments, move |features, classes, vb| {
        Ok(Box::new(ConvPool::new(pooling, direct, features, classes, vb)?))
    }))
}

/// A 1×1 convolution from channels to classes, followed by global pooling (Lin et al. 2013 with the average, Oquab et
/// al. 2015 with the maximum).
struct ConvPool {
    pooling: Global,
    channels: usize,
    classes: usize,
    /// `None` for a direct head, whose channels are the classes.
    convolution: Option<Convolution>,
}

/// The parameters of a 1×1 convolution over one or two spatial axes.
struct Convolution {
    /// The kernels, (K, C, 1) or (K, C, 1, 1).
    weight: Tensor,
    bias: Tensor,
}

impl ConvPool {
    fn new(pooling: Global, direct: bool, features: &[usize], classes: usize, vb: VarBuilder) -> Result<Self> {
        let channels = features[0];
        if direct && channels != classes {
            bail!(
                "a direct head needs as many channels as classes, not {channels} channels and {classes} classes; \
                 without `:direct`, a convolution maps one to the other"
            )
        }
        let convolution = if direct {
            None
        } else {
            let init = uniform(channels);
            let mut shape = vec![1; features.len() + 1];
            shape[..2].copy_from_slice(&[classes, channels]);
            let weight = vb.get_with_hints(shape, "weight", init)?;
            Some(Convolution { weight, bias: vb.get_with_hints(classes, "bias", init)? })
        };
        Ok(Self { pooling, channels, classes, convolution })
    }
}

impl Layer for ConvPool {
    fn forward(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        let Some(Convolution { weight, bias }) = &self.convolution else { return self.pooling.pool(features, mode) };
        let (weight, bias) = (mode.parameter(weight), mode.parameter(bias));
        match self.pooling {
            // The average of linear maps is the linear map of the averages, which takes a fraction of the work.
            Global::Average => {
                let weight = weight.reshape((self.classes, self.channels))?;
                ops::linear(&self.pooling.pool(features, mode)?, &weight, Some(&bias))
            }
            Global::Maximum => {
                let mut shape = vec![1; features.rank()];
                shape[..2].copy_from_slice(&[self.classes, self.channels]);
                let weight = weight.reshape(shape)?;
                let maps = match features.rank() {
                    3 => ops::conv1d(features, &weight, Some(&bias), &Default::default())?,
                    _ => ops::conv2d(features, &weight, Some(&bias), &Window::conv(1).into())?,
                };
                self.pooling.pool(&maps, mode)
            }
        }
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        check_channels(input, self.channels)?;
        let positions: usize = input[1..].iter().product();
        let mut children = Vec::new();
        if self.convolution.is_some() {
            let mut output = input.to_vec();
            output[0] = self.classes;
            let kind = format!("Conv({}, {}, 1x1)", self.channels, self.classes);
            let macs = self.channels * self.classes * positions;
            let convolution = Description::pointwise(kind, output);
            children.push(convolution.with_params((self.channels + 1) * self.classes).with_macs(macs as u64));
        }
        children.push(Description::global(self.pooling.name(), vec![self.classes]));
        Ok(Description::chain("ConvPool", input, children))
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        check_channels(input, self.channels)?;
        let Some(Convolution { weight, bias }) = &self.convolution else { return self.pooling.prepare(input) };
        let mut maps = image_shape(input)?;
        let steps: Vec<Box<dyn Prepared>> = match self.pooling {
            // As in `forward`.
            Global::Average => {
                let weight = weight.reshape((self.classes, self.channels))?;
                vec![self.pooling.prepare(input)?, Box::new(Linear::new(&weight, Some(bias), false)?)]
            }
            Global::Maximum => {
                let weight = weight.reshape((self.classes, self.channels, 1, 1))?;
                let convolution = Conv2d::new(&weight, Some(bias), &Window::conv(1), Epilogue::None, maps)?;
                maps[0] = self.classes;
                vec![Box::new(convolution), self.pooling.prepare(&maps)?]
            }
        };
        Ok(Box::new(Chain::new(steps)?))
    }

    fn export(&self, input: &[usize], graph: &mut Graph, features: &Value) -> Result<Value> {
        check_channels(input, self.channels)?;
        let Some(Convolution { weight, bias }) = &self.convolution else {
            return self.pooling.export(input, graph, features);
        };
        let (weight, bias) = (graph.parameter("weight", weight)?, graph.parameter("bias", bias)?);
        let maps = graph.node("Conv", &[features, &weight, &bias], &[]);
        self.pooling.export(input, graph, &maps)
    }
}

impl ClassifierHead for ConvPool {
    fn pooled(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        self.pooling.pool(features, mode)
    }

    fn class_maps(&self, features: &Tensor) -> Result<Evidence> {
        let reduction = match self.pooling {
            Global::Average => Reduction::Mean,
            Global::Maximum => Reduction::Max,
        };
        let Some(Convolution { weight, bias }) = &self.convolution else {
            return Ok(Evidence::new(features.clone(), None, reduction));
        };
        let maps = class_activation_map(features, &weight.reshape((self.classes, self.channels))?)?;
        Ok(Evidence::new(maps, Some(bias.clone()), reduction))
    }

    fn export_class_maps(&self, _features: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let Some(Convolution { weight, .. }) = &self.convolution else { return Ok(xs.clone()) };
        let weight = graph.parameter("weight", weight)?;
        Ok(graph.node("Conv", &[xs, &weight], &[]))
    }
}
