//! The optimisers SGD, Adam and AdamW, as in PyTorch.

mod composed;
mod config;

pub use config::OptimizerConfig;

use std::collections::BTreeMap;

use candle_core::{DType, Result, Tensor, Var, backprop::GradStore, bail};
use ops::optimizer::Update;

use crate::parameters::Parameters;

/// Updates the trainable parameters of a model along their gradients, and holds the optimiser's state.
///
/// An f32 parameter on the CPU is updated in place in a single pass, any other by candle's operators. As in PyTorch, a
/// parameter without a gradient does not change.
///
/// ```
/// use candle_core::{Device, Result};
/// use candle_nn::Init;
/// use training::{Optimizer, OptimizerConfig, Parameters};
///
/// # fn main() -> Result<()> {
/// let parameters = Parameters::seeded(0, &Device::Cpu);
/// let x = parameters.builder().get_with_hints(1, "x", Init::Const(5.))?;
/// let mut optimizer = Optimizer::new(&OptimizerConfig::sgd(), &parameters)?;
/// for _ in 0..100 {
///     let loss = (&x - 3.)?.sqr()?.sum_all()?;
///     optimizer.step(&loss.backward()?, 0.1)?;
/// }
/// assert!((x.to_vec1::<f32>()?[0] - 3.).abs() < 1e-5);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Optimizer {
    config: OptimizerConfig,
    /// Sorted by the parameter's name.
    slots: Vec<Slot>,
}

/// A parameter and its state. As in PyTorch each parameter counts its own steps, as one without a gradient takes none.
#[derive(Debug)]
struct Slot {
    name: String,
    variable: Var,
    steps: i32,
    moments: Moments,
}

/// The running means of the gradient and of its square, which start at zero. Of the fused ones, those that the
/// optimiser does not use are empty.
#[derive(Debug)]
enum Moments {
    Fused([Vec<f32>; 2]),
    Composed([Tensor; 2]),
}

/// The state of one parameter, as it is saved.
#[derive(Debug, Clone, PartialEq)]
pub struct SlotState {
    pub steps: i32,
    /// The running means; those that the optimiser does not use may be empty.
    pub moments: [Vec<f32>; 2],
}

impl Optimizer {
    /// Returns an optimiser of all trainable `parameters` that exist. Call it after the model has been built.
    ///
    /// # Errors
    /// Settings that PyTorch refuses, and a store without trainable parameters.
    pub fn new(config: &OptimizerConfig, parameters: &Parameters) -> Result<Self> {
        config.check()?;
        let trainable = parameters.trainable();
        if trainable.is_empty() {
            bail!("the optimiser has no parameters: build the model first")
        }
        let slots = trainable.into_iter().map(|(name, variable)| Slot::new(name, variable, config.moments()));
        Ok(Self { config: config.clone(), slots: slots.collect::<Result<_>>()? })
    }

    /// Takes one step with the learning rate `lr`.
    ///
    /// # Errors
    /// A gradient of another shape than its parameter, and gradients for none of the parameters.
    pub fn step(&mut self, gradients: &GradStore, lr: f64) -> Result<()> {
        let mut updated = false;
        for slot in &mut self.slots {
            if let Some(gradient) = gradients.get(&slot.variable) {
                updated = true;
                slot.steps += 1;
                let update = self.config.update(lr, slot.steps);
                match self.config.l2_gradient(slot.variable.rank()) {
                    Some(factor) => slot.apply(update, &(gradient + slot.variable.affine(factor, 0.)?)?)?,
                    None => slot.apply(update, gradient)?,
                }
            }
        }
        if !updated {
            bail!("no parameter has a gradient: the loss does not depend on the parameters of the optimiser")
        }
        Ok(())
    }

    /// Returns the state by the parameter's name.
    pub(crate) fn state(&self) -> Result<BTreeMap<String, SlotState>> {
        self.slots.iter().map(|slot| Ok((slot.name.clone(), slot.state()?))).collect()
    }

    /// Sets the state that [`state`](Self::state) returned.
    pub(crate) fn restore(&mut self, mut states: BTreeMap<String, SlotState>) -> Result<()> {
        for slot in &mut self.slots {
            let Some(state) = states.remove(&slot.name) else {
                bail!("the saved state of the optimiser lacks the parameter {}", slot.name)
            };
            slot.restore(state)?;
        }
        match states.keys().next() {
            Some(name) => bail!("the optimiser has no parameter {name}, but a saved state for it"),
            None => Ok(()),
        }
    }
}

impl Slot {
    fn new(name: String, variable: Var, moments: usize) -> Result<Self> {
        let moments = if variable.device().is_cpu() && variable.dtype() == DType::F32 {
            let len = |moment| if moment < moments { variable.elem_count() } else { 0 };
            Moments::Fused([0, 1].map(|moment| vec![0.; len(moment)]))
        } else {
            Moments::Composed([variable.zeros_like()?, variable.zeros_like()?])
        };
        Ok(Self { name, variable, steps: 0, moments })
    }

    fn state(&self) -> Result<SlotState> {
        let moments = match &self.moments {
            Moments::Fused(moments) => moments.clone(),
            Moments::Composed([first, second]) => [first.flatten_all()?.to_vec1()?, second.flatten_all()?.to_vec1()?],
        };
        Ok(SlotState { steps: self.steps, moments })
    }

    fn restore(&mut self, state: SlotState) -> Result<()> {
        let has = state.moments.each_ref().map(Vec::len);
        let needs = match &self.moments {
            Moments::Fused(moments) => moments.each_ref().map(Vec::len),
            Moments::Composed(moments) => moments.each_ref().map(Tensor::elem_count),
        };
        if has != needs {
            bail!("the saved state of {} has {has:?} running means, but {needs:?} are needed", self.name)
        }
        self.steps = state.steps;
        match &mut self.moments {
            Moments::Fused(moments) => *moments = state.moments,
            Moments::Composed(moments) => {
                for (moment, values) in moments.iter_mut().zip(state.moments) {
                    *moment = Tensor::from_vec(values, moment.shape(), moment.device())?;
                }
            }
        }
        Ok(())
    }

    fn apply(&mut self, update: Update, gradient: &Tensor) -> Result<()> {
        match &mut self.moments {
            Moments::Fused(moments) => {
                let moments = moments.each_mut().map(Vec::as_mut_slice);
                ops::optimizer::step(update, &self.variable, &gradient.contiguous()?, moments)
            }
            Moments::Composed(moments) => composed::step(update, &self.variable, gradient, moments),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn operators_and_kernels_follow_the_same_rule() -> Result<()> {
        let configs = [
            OptimizerConfig::Sgd { momentum: 0., nesterov: false, weight_decay: 0.1 },
            OptimizerConfig::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0. },
            OptimizerConfig::Sgd { momentum: 0.9, nesterov: true, weight_decay: 0.1 },
            OptimizerConfig::adamw(),
        ];
        for config in configs {
            let start = Tensor::new(&[1f32, -2., 0.5], &Device::Cpu)?;
            // An f64 parameter is updated by candle's operators.
            let mut slots = [DType::F32, DType::F64].map(|dtype| {
                let variable = Var::from_tensor(&start.to_dtype(dtype).unwrap()).unwrap();
                Slot::new("x".into(), variable, config.moments()).unwrap()
            });
            assert!(matches!(slots[1].moments, Moments::Composed(_)));
            for step in 1..=5 {
                let gradient = Tensor::new(&[0.3 * step as f64, -1., 0.], &Device::Cpu)?;
                for slot in &mut slots {
                    slot.apply(config.update(0.1, step), &gradient.to_dtype(slot.variable.dtype())?)?;
                }
                let [fused, composed] = slots.each_ref().map(|slot| slot.variable.to_dtype(DType::F64).unwrap());
                let error = (fused - composed)?.abs()?.max_all()?.to_scalar::<f64>()?;
                assert!(error < 1e-6, "{config}: {error}");
            }
        }
        Ok(())
    }
}
