use candle_nn::Init;

/// Returns PyTorch's default initialisation of convolutions and linear layers: uniform in ±1/√`fan_in`, for weights and
/// biases.
///
/// `fan_in` is the number of products that an output sums: input channels × the size of the kernel. PyTorch writes it as
/// `kaiming_uniform_(a=√5)`, which gives the same bound.
pub fn uniform(fan_in: usize) -> Init {
    let bound = 1. / (fan_in as f64).sqrt();
    Init::Uniform { lo: -bound, up: bound }
}
