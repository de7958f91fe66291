use super::super::planes;
use super::super::tile::{Steps, WIDTH};
use super::geometry::{Epilogue, Geometry, Shape};
use super::pack::Order;
use super::pointwise;
use super::winograd::Tiling;

/// Whether the forward pass goes plane by plane: half of a block of output channels would be empty, and turning the image
/// over would take as long as the products.
pub fn few_channels(s: &Shape) -> bool {
    s.in_channels <= 4 && s.out_channels <= WIDTH / 2 && s.epilogue != Epilogue::ReluMaxPool && !pointwise::fits(s)
}

/// How a convolution is computed.
pub enum Method {
    Direct,
    /// Forward only.
    Planes(planes::Packed),
    /// With 0 to C_in.
    Pointwise(Steps),
    Winograd(Tiling<2>),
    /// Inference only: F(4×4, 3×3) has fewer multiplications, but not the same rounding.
    Winograd4(Tiling<4>),
    /// Gradients behind ReLU and pooling.
    Sparse,
}

impl Method {
    pub fn forward(s: &Shape) -> (Self, Geometry) {
        if pointwise::fits(s) {
            return (Method::Pointwise(Steps::new((0..s.in_channels).collect())), Geometry::of_planes(s));
        }
        let g = Geometry::new(s);
        (Tiling::new(s, &g).map_or(Method::Direct, Method::Winograd), g)
    }

    /// The forward pass where there will be no backward pass.
    pub fn inference(s: &Shape) -> (Self, Geometry) {
        let (method, g) = Self::forward(s);
        match (method, Tiling::<4>::new(s, &g)) {
            (Method::Winograd(small), Some(large)) if large.multiplications() < small.multiplications() => {
                (Method::Winograd4(large), g)
            }
            (method, _) => (method, g),
        }
    }

    pub fn backward(s: &Shape) -> (Self, Geometry) {
        // Rows of a few values, as those of the first layer, are no work for the sparse products.
        if s.epilogue == Epilogue::ReluMaxPool && s.window.kernel[1] * s.in_channels >= WIDTH {
            return (Method::Sparse, Geometry::new(s));
        }
        Self::forward(s)
    }

    /// The orders of the weights and their gradient, where they are not transformed.
    pub fn orders(&self) -> (Order, Order) {
        match self {
            Method::Sparse => (Order::OutputsFirst, Order::OutputsFirst),
            _ => (Order::OutputsLast, Order::Pieces),
        }
    }
}
