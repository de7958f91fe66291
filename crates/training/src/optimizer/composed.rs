//! Updates a parameter by candle's operators, on any device and in any float type.

use candle_core::{Result, Tensor, Var};

use ops::optimizer::Update;

/// Applies the update to a parameter and its moments.
pub fn step(update: Update, variable: &Var, gradient: &Tensor, moments: &mut [Tensor; 2]) -> Result<()> {
    let parameter = variable.as_detached_tensor();
    let updated = match update {
        Update::Sgd { lr, momentum, nesterov, weight_decay } => {
            let gradient = (gradient + (&parameter * weight_decay)?)?;
            let direction = if momentum == 0. {
                gradient
            } else {
                moments[0] = ((&moments[0] * momentum)? + &gradient)?;
                if nesterov { (gradient + (&moments[0] * momentum)?)? } else { moments[0].clone() }
            };
            (parameter - (direction * lr)?)?
        }
        Update::AdamW { decay, beta1, beta2, step_size, bias_correction2_sqrt, eps } => {
            moments[0] = (&moments[0] + ((gradient - &moments[0])? * (1. - beta1))?)?;
            moments[1] = ((&moments[1] * beta2)? + (gradient.sqr()? * (1. - beta2))?)?;
            let denominator = ((moments[1].sqrt()? / bias_correction2_sqrt)? + eps)?;
            ((parameter * decay)? - (&moments[0] / denominator)? * step_size)?
        }
    };
    variable.set(&updated)
}
