use candle_core::{DType, Device, Result, Shape, Tensor};
use candle_nn::{Init, VarBuilder, var_builder::SimpleBackend};

/// Asks another builder for parameters, with the initial values that Keras gives them under `glorot_normal`, but not
/// truncated: kernels and embeddings from the normal distribution of Glorot & Bengio (2010), biases 0.
struct Glorot(VarBuilder<'static>);

/// Wraps a builder so that the parameters it creates are initialised as `glorot_normal`.
pub(super) fn glorot_normal(vb: VarBuilder<'static>) -> VarBuilder<'static> {
    let (dtype, device) = (vb.dtype(), vb.device().clone());
    VarBuilder::from_backend(Box::new(Glorot(vb)), dtype, device)
}

impl SimpleBackend for Glorot {
    fn get(&self, shape: Shape, name: &str, hint: Init, dtype: DType, _: &Device) -> Result<Tensor> {
        let hint = match *shape.dims() {
            // (outputs, inputs, window): each position of the window counts as an input and as an output.
            [outputs, inputs, ref window @ ..] => {
                let fans = (outputs + inputs) * window.iter().product::<usize>();
                Init::Randn { mean: 0., stdev: (2. / fans as f64).sqrt() }
            }
            _ if name.ends_with("bias") => Init::Const(0.),
            _ => hint,
        };
        self.0.get_with_hints_dtype(shape, name, hint, dtype)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, _: &Device) -> Result<Tensor> {
        self.0.get_unchecked_dtype(name, dtype)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.0.contains_tensor(name)
    }
}
