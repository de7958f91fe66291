use std::sync::OnceLock;

use candle_core::{Result, Shape, Tensor, bail};

use crate::{
    activation::softmax,
    cpu::{
        Gradients,
        attention::{self as kernel, AttentionShape},
        fast,
    },
    linear::linear,
    pool_global::sizes,
    precision,
    sizes::{check_memory, product},
    weighted::{self, BackwardArgs, Weighted},
};

/// The parameters of [`gated_attention_pool`], with H hidden units: two projections of the features and the weights of
/// their product.
#[derive(Debug, Clone, Copy)]
pub struct GatedAttention<'a> {
    /// V (H, C), whose product with the features is put through tanh.
    pub v: &'a Tensor,
    /// The bias of V, (H).
    pub v_bias: &'a Tensor,
    /// U (H, C), whose product with the features is put through a sigmoid.
    pub u: &'a Tensor,
    /// The bias of U, (H).
    pub u_bias: &'a Tensor,
    /// w (1, H), which gives the score of a position.
    pub w: &'a Tensor,
    /// The bias of the score, (1).
    pub w_bias: &'a Tensor,
}

/// Pools by gated attention (Ilse et al. 2018): `Σ aᵢ fᵢ` over the positions of the features f, with
/// `a = softmax(w · (tanh(V fᵢ) ⊙ σ(U fᵢ)))`, where the products with V, U and w include a bias.
///
/// # Shapes
/// (N, C, L), (N, C, H, W) or more spatial axes → (N, C).
///
/// # Errors
/// Fails if the tensor has no spatial axes or is empty, or if a parameter has another shape than
/// [`GatedAttention`] says.
pub fn gated_attention_pool(xs: &Tensor, parameters: &GatedAttention) -> Result<Tensor> {
    let GatedAttention { v, v_bias, u, u_bias, w, w_bias } = *parameters;
    let shape = attention_shape(sizes(xs)?, parameters)?;
    let tensors = [xs, v, v_bias, u, u_bias, w, w_bias];
    if precision::is_half_on_cpu(&tensors) {
        return precision::in_f32(tensors, |[xs, v, v_bias, u, u_bias, w, w_bias]| {
            let (v_bias, u_bias, w_bias) = (&v_bias, &u_bias, &w_bias);
            gated_attention_pool(&xs, &GatedAttention { v: &v, v_bias, u: &u, u_bias, w: &w, w_bias })
        });
    }
    if !fast(&tensors) {
        let attention = gated_attention(xs, parameters)?.unsqueeze(1)?;
        return xs.flatten_from(2)?.broadcast_mul(&attention)?.sum(2);
    }
    check_memory("gated_attention_pool: hidden units", &[shape.batch, shape.gates()])?;
    let gates = tensors.iter().any(|t| t.track_op()).then(OnceLock::new);
    weighted::apply(xs, &packed(parameters)?, None, GatedAttentionPool { shape, gates })
}

/// Computes the attention aᵢ of [`gated_attention_pool`] to each position.
///
/// # Shapes
/// (N, C, …) → (N, positions).
///
/// # Errors
/// The same as for [`gated_attention_pool`].
pub fn gated_attention(xs: &Tensor, parameters: &GatedAttention) -> Result<Tensor> {
    attention_shape(sizes(xs)?, parameters)?;
    let GatedAttention { v, v_bias, u, u_bias, w, w_bias } = *parameters;
    let positions = xs.flatten_from(2)?.transpose(1, 2)?;
    let gate = sigmoid(&linear(&positions, u, Some(u_bias))?)?;
    let scores = linear(&(linear(&positions, v, Some(v_bias))?.tanh()? * gate)?, w, Some(w_bias))?;
    softmax(&scores.squeeze(2)?)
}

/// Computes 1 / (1 + e⁻ˣ) as (1 + tanh(x/2)) / 2, which does not overflow.
fn sigmoid(xs: &Tensor) -> Result<Tensor> {
    xs.affine(0.5, 0.)?.tanh()?.affine(0.5, 0.5)
}

/// Returns the sizes, or an error if the parameters do not fit the numbers of images, channels and positions.
pub(crate) fn attention_shape(
    [batch, channels, positions]: [usize; 3],
    parameters: &GatedAttention,
) -> Result<AttentionShape> {
    let GatedAttention { v, v_bias, u, u_bias, w, w_bias } = *parameters;
    let hidden = w.elem_count();
    let matrices = v.dims() == [hidden, channels] && u.dims() == [hidden, channels] && w.dims() == [1, hidden];
    let biases = v_bias.dims() == [hidden] && u_bias.dims() == [hidden] && w_bias.dims() == [1];
    if hidden == 0 || !matrices || !biases {
        bail!(
            "gated attention: parameters {:?} do not fit {channels} channels; possible: v and u (H, C), their biases \
             (H), w (1, H), its bias (1)",
            [v, v_bias, u, u_bias, w, w_bias].map(Tensor::dims)
        )
    }
    product("gated attention: a batch of hidden units", &[batch, positions, hidden, 2])?;
    Ok(AttentionShape { batch, channels, positions, hidden })
}

/// Returns the parameters in the order of the kernel.
pub(crate) fn packed(parameters: &GatedAttention) -> Result<Tensor> {
    let GatedAttention { v, v_bias, u, u_bias, w, w_bias } = *parameters;
    let flat = [v, u, v_bias, u_bias, w, w_bias].map(Tensor::flatten_all);
    Tensor::cat(&flat.into_iter().collect::<Result<Vec<_>>>()?, 0)
}

struct GatedAttentionPool {
    shape: AttentionShape,
    /// The hidden units behind their activations; `None` if there will be no backward pass.
    gates: Option<OnceLock<Vec<f32>>>,
}

impl Weighted for GatedAttentionPool {
    fn name(&self) -> &'static str {
        "gated-attention-pool"
    }

    fn forward(&self, x: &[f32], parameters: &[f32], _: Option<&[f32]>) -> (Vec<f32>, Shape) {
        let shape = Shape::from((self.shape.batch, self.shape.channels));
        let Some(saved) = &self.gates else {
            let mut y = vec![0f32; self.shape.batch * self.shape.channels];
            kernel::forward_into(&self.shape, x, parameters, &mut y);
            return (y, shape);
        };
        let (y, gates) = kernel::forward(&self.shape, x, parameters);
        // An operator is created for a single call, so nothing has been saved before.
        let _ = saved.set(gates);
        (y, shape)
    }

    fn backward(&self, args: BackwardArgs) -> Result<Gradients> {
        let BackwardArgs { x, weight, dy, want_dx, want_dw, .. } = args;
        let Some(gates) = self.gates.as_ref().and_then(OnceLock::get) else {
            bail!("internal: gated_attention_pool saved no hidden units for its backward pass")
        };
        Ok(kernel::backward(&self.shape, [x, weight, gates, dy], [want_dx, want_dw]))
    }
}
