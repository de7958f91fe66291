use candle_core::{Result, Tensor};
use candle_nn::{Init, VarBuilder};
use layers::{
    Flatten,
    graph::{Graph, Value},
    image_shape,
};
use ops::prepared;

use crate::{Description, HeadKind, Layer, Linear, Mode, Pooling, Prepared, export_class_activation_map};

pub(super) const GEM_FC: HeadKind =
    HeadKind::pooled("gem-fc", "generalised mean with learnable power, linear", |_, vb| {
        Ok(Box::new(SmoothMaximum::gem(vb)?))
    });

pub(super) const LSE_FC: HeadKind =
    HeadKind::pooled("lse-fc", "log-sum-exp with learnable sharpness, linear", |_, vb| {
        Ok(Box::new(SmoothMaximum::lse(vb)?))
    });

/// A pooling between average and maximum, with one learnable parameter that determines how close it is to either.
#[derive(Debug, Clone)]
struct SmoothMaximum {
    name: &'static str,
    pool: fn(&Tensor, &Tensor) -> Result<Tensor>,
    prepare: fn(&Tensor, [usize; 3]) -> Result<prepared::SmoothMaximum>,
    /// Exports the pooling, with a result that has all axes.
    export: fn(&mut Graph, &Value, &Tensor) -> Result<Value>,
    /// The learnable parameter, (1).
    parameter: Tensor,
}

impl SmoothMaximum {
    /// Creates generalised mean pooling, see [`ops::gem_pool`]. Its parameter `p` is initialised to 3.
    fn gem(vb: VarBuilder) -> Result<Self> {
        let parameter = vb.get_with_hints(1, "p", Init::Const(3.))?;
        Ok(Self { name: "GeM", pool: ops::gem_pool, prepare: prepared::SmoothMaximum::gem, export: gem, parameter })
    }

    /// Creates log-sum-exp pooling, see [`ops::lse_pool`]. Its parameter `r` is initialised to 10.
    fn lse(vb: VarBuilder) -> Result<Self> {
        let parameter = vb.get_with_hints(1, "r", Init::Const(10.))?;
        Ok(Self {
            name: "LogSumExp",
            pool: ops::lse_pool,
            prepare: prepared::SmoothMaximum::lse,
            export: lse,
            parameter,
        })
    }
}

impl Pooling for SmoothMaximum {
    fn name(&self) -> &str {
        self.name
    }

    fn pool(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        (self.pool)(features, &mode.parameter(&self.parameter))
    }

    fn prepare(&self, features: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        Ok(Box::new((self.prepare)(&self.parameter, image_shape(features)?)?))
    }

    fn describe(&self, features: &[usize]) -> Result<Description> {
        Ok(Description::global(self.name, vec![features[0]]).with_params(1))
    }

    fn export(&self, features: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let average = (self.export)(graph, xs, &self.parameter)?;
        Flatten.export(features, graph, &average)
    }

    fn export_class_maps(&self, linear: &Linear, features: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        export_class_activation_map(linear, features, graph, xs)
    }
}

/// Exports `m (mean (x/m)^p)^(1/p)` for the maximum m of a channel: no power overflows.
fn gem(graph: &mut Graph, xs: &Value, p: &Tensor) -> Result<Value> {
    let p = at_least(graph, "p", p, 1e-3)?;
    let smallest = graph.float(1e-6)?;
    let xs = graph.node("Clip", &[xs, &smallest], &[]);
    let maximum = graph.node("GlobalMaxPool", &[&xs], &[]);
    let share = graph.node("Div", &[&xs, &maximum], &[]);
    let power = graph.node("Pow", &[&share, &p], &[]);
    let average = graph.node("GlobalAveragePool", &[&power], &[]);
    let inverse = graph.node("Reciprocal", &[&p], &[]);
    let root = graph.node("Pow", &[&average, &inverse], &[]);
    Ok(graph.node("Mul", &[&root, &maximum], &[]))
}

/// Exports `m + (1/r) log mean exp(r (x − m))` for the maximum m of a channel: no exponential overflows.
fn lse(graph: &mut Graph, xs: &Value, r: &Tensor) -> Result<Value> {
    let r = at_least(graph, "r", r, 1e-3)?;
    let maximum = graph.node("GlobalMaxPool", &[xs], &[]);
    let difference = graph.node("Sub", &[xs, &maximum], &[]);
    let scaled = graph.node("Mul", &[&difference, &r], &[]);
    let exponential = graph.node("Exp", &[&scaled], &[]);
    let average = graph.node("GlobalAveragePool", &[&exponential], &[]);
    let logarithm = graph.node("Log", &[&average], &[]);
    let scaled = graph.node("Div", &[&logarithm, &r], &[]);
    Ok(graph.node("Add", &[&scaled, &maximum], &[]))
}

fn at_least(graph: &mut Graph, name: &str, parameter: &Tensor, smallest: f32) -> Result<Value> {
    let (parameter, smallest) = (graph.parameter(name, parameter)?, graph.float(smallest)?);
    Ok(graph.node("Max", &[&parameter, &smallest], &[]))
}
