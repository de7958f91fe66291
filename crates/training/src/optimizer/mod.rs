//! PyTorch's SGD and AdamW, in one pass over each parameter.

mod composed;
mod config;
mod fused;

pub use config::OptimizerConfig;

use crate::Parameters;
use candle_core::backprop::GradStore;
use candle_core::{DType, Result, Tensor, Var, bail};

/// Moves the trainable parameters of a model along their gradients, and keeps what that needs between steps.
///
/// On the CPU in f32 each parameter is updated in place in a single pass; elsewhere by candle's operators. A parameter
/// that has no gradient stays as it is, as in PyTorch.
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
    /// Sorted by name.
    slots: Vec<Slot>,
}

/// A parameter and its state. As in PyTorch each counts its own steps: one without a gradient takes none.
#[derive(Debug)]
struct Slot {
    variable: Var,
    steps: i32,
    moments: Moments,
}

/// The running means of the gradient and of its square, as far as the method has them. They start at zero.
#[derive(Debug)]
enum Moments {
    Fused([Vec<f32>; 2]),
    Composed([Tensor; 2]),
}

/// The numbers of one step over one parameter, the same for all its elements.
#[derive(Debug, Clone, Copy)]
enum Rule {
    Sgd { lr: f64, momentum: f64, nesterov: bool, weight_decay: f64 },
    AdamW { decay: f64, beta1: f64, beta2: f64, step_size: f64, bias_correction2_sqrt: f64, eps: f64 },
}

impl Optimizer {
    /// For all trainable `parameters` there are at this moment, so after the model has been built.
    ///
    /// # Errors
    /// A configuration that PyTorch would refuse, and no trainable parameters at all.
    pub fn new(config: &OptimizerConfig, parameters: &Parameters) -> Result<Self> {
        config.check()?;
        let trainable = parameters.trainable();
        if trainable.is_empty() {
            bail!("the optimiser got no parameters: build the model first")
        }
        let slots = trainable.into_iter().map(|(_, variable)| Slot::new(variable, config.moments()));
        Ok(Self { config: config.clone(), slots: slots.collect::<Result<_>>()? })
    }

    /// One step with the learning rate `lr`.
    ///
    /// # Errors
    /// A gradient that does not fit its parameter, and none for any of the parameters.
    pub fn step(&mut self, gradients: &GradStore, lr: f64) -> Result<()> {
        let mut moved = false;
        for slot in &mut self.slots {
            if let Some(gradient) = gradients.get(&slot.variable) {
                moved = true;
                slot.steps += 1;
                slot.apply(self.config.rule(lr, slot.steps), gradient)?;
            }
        }
        if !moved {
            bail!("no parameter has a gradient: the loss does not depend on those the optimiser got")
        }
        Ok(())
    }
}

impl Slot {
    fn new(variable: Var, moments: usize) -> Result<Self> {
        let moments = if variable.device().is_cpu() && variable.dtype() == DType::F32 {
            let len = |moment| if moment < moments { variable.elem_count() } else { 0 };
            Moments::Fused([0, 1].map(|moment| vec![0.; len(moment)]))
        } else {
            Moments::Composed([variable.zeros_like()?, variable.zeros_like()?])
        };
        Ok(Self { variable, steps: 0, moments })
    }

    fn apply(&mut self, rule: Rule, gradient: &Tensor) -> Result<()> {
        match &mut self.moments {
            Moments::Fused(moments) => fused::step(rule, &self.variable, &gradient.contiguous()?, moments),
            Moments::Composed(moments) => composed::step(rule, &self.variable, gradient, moments),
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
            // An f64 parameter takes the way of other devices.
            let mut slots = [DType::F32, DType::F64].map(|dtype| {
                let variable = Var::from_tensor(&start.to_dtype(dtype).unwrap()).unwrap();
                Slot::new(variable, config.moments()).unwrap()
            });
            assert!(matches!(slots[1].moments, Moments::Composed(_)));
            for step in 1..=5 {
                let gradient = Tensor::new(&[0.3 * step as f64, -1., 0.], &Device::Cpu)?;
                for slot in &mut slots {
                    slot.apply(config.rule(0.1, step), &gradient.to_dtype(slot.variable.dtype())?)?;
                }
                let [fused, composed] = slots.each_ref().map(|slot| slot.variable.to_dtype(DType::F64).unwrap());
                let error = (fused - composed)?.abs()?.max_all()?.to_scalar::<f64>()?;
                assert!(error < 1e-6, "{config}: {error}");
            }
        }
        Ok(())
    }
}
