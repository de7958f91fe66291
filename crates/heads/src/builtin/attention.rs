use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use layers::{
    graph::{Graph, Value},
    image_shape,
};
use ops::{GatedAttention, prepared::GatedAttentionPool};

use crate::{
    Description, Evidence, HeadKind, Linear, Mode, Pooling, Prepared, Reduction, class_activation_map,
    export::{pointwise, spatial_axes},
    export_class_activation_map,
};

pub(super) const ATTN_FC: HeadKind = HeadKind::pooled("attn-fc", "gated attention pooling, linear", |channels, vb| {
    Ok(Box::new(Attention::new(channels, vb.pp("attention"))?))
});

const HIDDEN: usize = 64;

/// Gated attention pooling (Ilse et al. 2018): `Σ a_i f_i` over the positions, with
/// `a = softmax(w · (tanh(V f_i) ⊙ σ(U f_i)))`. `V` and `U` have 64 hidden units, and `V`, `U` and `w` have a bias.
#[derive(Debug, Clone)]
struct Attention {
    v: Linear,
    u: Linear,
    w: Linear,
}

impl Attention {
    fn new(channels: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self {
            v: Linear::new(channels, HIDDEN, vb.pp("v"))?,
            u: Linear::new(channels, HIDDEN, vb.pp("u"))?,
            w: Linear::new(HIDDEN, 1, vb.pp("w"))?,
        })
    }

    /// Calls `f` with the parameters as the mode sees them.
    fn with_parameters<T>(&self, mode: Mode, f: impl FnOnce(&GatedAttention) -> Result<T>) -> Result<T> {
        let Self { v, u, w } = self;
        let [[v, v_bias], [u, u_bias], [w, w_bias]] =
            [v, u, w].map(|linear| [linear.weight(), linear.bias()].map(|parameter| mode.parameter(parameter)));
        let (v_bias, u_bias, w_bias) = (&v_bias, &u_bias, &w_bias);
        f(&GatedAttention { v: &v, v_bias, u: &u, u_bias, w: &w, w_bias })
    }

    /// Exports the product of `values` (N, D, …) with the attention to each position.
    fn export_attended(&self, features: &[usize], graph: &mut Graph, xs: &Value, values: &Value) -> Result<Value> {
        let attention = graph.scoped("attention", |graph| self.export_attention(features, graph, xs))?;
        Ok(graph.node("Mul", &[values, &attention], &[]))
    }

    /// Exports the attention to each position, (N, 1, …).
    fn export_attention(&self, features: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let layer = |graph: &mut Graph, path: &str, linear: &Linear, xs: &Value| {
            graph.scoped(path, |graph| {
                let weight = graph.parameter("weight", linear.weight())?;
                let bias = graph.parameter("bias", linear.bias())?;
                pointwise(features, graph, xs, &[&weight, &bias])
            })
        };
        let (v, u) = (layer(graph, "v", &self.v, xs)?, layer(graph, "u", &self.u, xs)?);
        let (v, u) = (graph.node("Tanh", &[&v], &[]), graph.node("Sigmoid", &[&u], &[]));
        let gated = graph.node("Mul", &[&v, &u], &[]);
        let scores = layer(graph, "w", &self.w, &gated)?;
        // A softmax over all positions, whose number of axes is that of the features.
        let maximum = graph.node("GlobalMaxPool", &[&scores], &[]);
        let difference = graph.node("Sub", &[&scores, &maximum], &[]);
        let exponential = graph.node("Exp", &[&difference], &[]);
        let axes = spatial_axes(features, graph)?;
        let sum = graph.node("ReduceSum", &[&exponential, &axes], &[]);
        Ok(graph.node("Div", &[&exponential, &sum], &[]))
    }
}

impl Pooling for Attention {
    fn name(&self) -> &str {
        "GatedAttentionPool"
    }

    fn pool(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        self.with_parameters(mode, |parameters| ops::gated_attention_pool(features, parameters))
    }

    fn prepare(&self, features: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        let features = image_shape(features)?;
        let pool = self.with_parameters(Mode::Inference, |parameters| GatedAttentionPool::new(parameters, features))?;
        Ok(Box::new(pool))
    }

    fn describe(&self, features: &[usize]) -> Result<Description> {
        let positions: usize = features[1..].iter().product();
        let macs = positions * (2 * HIDDEN * features[0] + HIDDEN);
        let params = 2 * (features[0] + 1) * HIDDEN + HIDDEN + 1;
        let description = Description::global(self.name(), vec![features[0]]);
        Ok(description.with_params(params).with_macs(macs as u64).at("attention"))
    }

    fn class_maps(&self, features: &Tensor, linear: &Linear) -> Result<Evidence> {
        let maps = class_activation_map(features, linear.weight())?;
        let attention = self.with_parameters(Mode::Eval, |parameters| ops::gated_attention(features, parameters))?;
        let attended = maps.flatten_from(2)?.broadcast_mul(&attention.unsqueeze(1)?)?;
        let maps = attended.reshape(maps.shape())?;
        Ok(Evidence::new(maps, Some(linear.bias().clone()), Reduction::Sum))
    }

    fn export(&self, features: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let attended = self.export_attended(features, graph, xs, xs)?;
        let axes = spatial_axes(features, graph)?;
        Ok(graph.node("ReduceSum", &[&attended, &axes], &[("keepdims", 0.into())]))
    }

    fn export_class_maps(&self, linear: &Linear, features: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let maps = export_class_activation_map(linear, features, graph, xs)?;
        self.export_attended(features, graph, xs, &maps)
    }
}
