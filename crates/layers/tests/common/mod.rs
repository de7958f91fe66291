//! Shared by the tests: variables, inputs, and checks of gradients.

// Every test program uses some of it.
#![allow(dead_code)]

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};
use layers::{Layer, Mode};

pub const TRAIN: Mode = Mode::Train { seed: 1, step: 0 };

pub fn builder(variables: &VarMap, dtype: DType) -> VarBuilder<'static> {
    VarBuilder::from_varmap(variables, dtype, &Device::Cpu)
}

/// Values between −1 and 1, none of them 0, in no order.
pub fn input(shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    let values: Vec<f64> = (0..n).map(|i| (i * 7919 % 1009) as f64 / 504.3 - 1.).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// Returns the names of all variables in alphabetical order.
pub fn names(variables: &VarMap) -> Vec<String> {
    let mut names: Vec<String> = variables.data().lock().unwrap().keys().cloned().collect();
    names.sort();
    names
}

pub fn max_difference(a: &Tensor, b: &Tensor) -> Result<f64> {
    (a.to_dtype(DType::F64)? - b.to_dtype(DType::F64)?)?.abs()?.flatten_all()?.max(0)?.to_scalar()
}

/// A scalar with a different weight for every value.
pub fn loss(ys: &Tensor) -> Result<Tensor> {
    (ys * input(ys.dims()).to_dtype(ys.dtype())?)?.sum_all()
}

/// Compares the gradient of a variable, in f64, with central differences.
pub fn assert_gradient_is_right(what: &str, variable: &Var, forward: impl Fn() -> Result<Tensor>) -> Result<()> {
    const STEP: f64 = 1e-5;
    let gradients = loss(&forward()?)?.backward()?;
    let gradient = gradients.get(variable).expect("a gradient").flatten_all()?.to_vec1::<f64>()?;
    let values = variable.as_detached_tensor().flatten_all()?.to_vec1::<f64>()?;
    for i in 0..values.len() {
        let loss_at = |step: f64| {
            let mut moved = values.clone();
            moved[i] += step;
            variable.set(&Tensor::from_vec(moved, variable.shape(), &Device::Cpu)?)?;
            loss(&forward()?)?.to_scalar::<f64>()
        };
        let difference = (loss_at(STEP)? - loss_at(-STEP)?) / (2. * STEP);
        assert!((difference - gradient[i]).abs() < 1e-6, "{what}, value {i}: {difference}, not {}", gradient[i]);
    }
    variable.set(&Tensor::from_vec(values, variable.shape(), &Device::Cpu)?)
}

/// Checks a layer without parameters: its gradient in f64, its results and gradients in f32, and its shape.
pub fn assert_layer_is_right(what: &str, layer: &dyn Layer, shape: &[usize]) -> Result<()> {
    let variable = Var::from_tensor(&input(shape))?;
    assert_gradient_is_right(what, &variable, || layer.forward(&variable, TRAIN))?;
    let single = Var::from_tensor(&input(shape).to_dtype(DType::F32)?)?;
    let (ys, single_ys) = (layer.forward(&variable, TRAIN)?, layer.forward(&single, TRAIN)?);
    assert!(max_difference(&ys, &single_ys)? < 1e-6, "{what}");
    let (gradients, single_gradients) = (loss(&ys)?.backward()?, loss(&single_ys)?.backward()?);
    let (a, b) = (gradients.get(&variable).expect("a gradient"), single_gradients.get(&single).expect("a gradient"));
    assert!(max_difference(a, b)? < 1e-5, "{what}");
    assert_eq!(layer.describe(&shape[1..])?.output, ys.dims()[1..], "{what}");
    Ok(())
}
