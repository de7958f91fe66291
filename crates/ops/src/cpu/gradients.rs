/// The gradients of an operator that has weights.
pub struct Gradients {
    /// The gradient of the input; `None` if the input needs no gradient.
    pub x: Option<Vec<f32>>,
    /// The gradient of the weights, in the order of the weights; `None` if the weights need no gradient.
    pub weight: Option<Vec<f32>>,
    /// The gradient of the bias, computed whether there is a bias or not.
    pub bias: Vec<f32>,
}
