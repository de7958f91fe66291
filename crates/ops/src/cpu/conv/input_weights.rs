use crate::cpu::micro_kernel::Offsets;

/// The right matrix of the product `dpatches = dy · W`, from which the gradient of the input is made, and where the
/// product finds its left matrix. Both depend on the algorithm.
pub struct InputWeights {
    /// The weights, in the order in which the product reads them.
    pub weight: Vec<f32>,
    /// Where the output channels of a position lie in the gradient of the output, relative to the position.
    pub channels: Offsets,
}
