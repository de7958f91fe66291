/// The update of a parameter by one step: the same scalars for all its elements.
#[derive(Debug, Clone, Copy)]
pub enum Update {
    Sgd {
        lr: f64,
        momentum: f64,
        nesterov: bool,
        weight_decay: f64,
    },
    /// `decay` is 1 − lr · weight decay, `step_size` the learning rate with the bias correction of the first moment.
    AdamW {
        decay: f64,
        beta1: f64,
        beta2: f64,
        step_size: f64,
        bias_correction2_sqrt: f64,
        eps: f64,
    },
}
