//! 2-d convolution, direct: no im2col, parallel over images.
//!
//! Each image is copied once into a padded, channels-last buffer. There the values that a row of the kernel sees, (kw,
//! C_in), lie side by side, so that all three products read their operands in place (P positions, K = kh·kw·C_in):
//!
//! | product | rows of a block | columns of a block | sum over |
//! | --- | --- | --- | --- |
//! | `y = patches · Wᵀ` | positions | output channels | K |
//! | `dW = patchesᵀ · dy` | K | output channels | positions |
//! | `dpatches = dy · W`, added to dx | positions | pieces of a patch row | output channels |
//!
//! Behind ReLU and 2×2 max pooling at most one of four positions of a channel has a gradient: there the last two are
//! products with sparse rows instead ([`sparse`]).

mod dense;
mod geometry;
mod pack;
mod sparse;

pub use dense::Saved;
pub use geometry::{Epilogue, Shape};

use super::conv_norm::Norm;
use super::tile::{WIDTH, dispatch};
use super::{Gradients, parallel, scratch};
use geometry::Geometry;
use pack::Order;
use std::cell::RefCell;

/// Into how many parts a batch is cut for the gradient of the weights, whatever the number of threads.
const GROUPS: usize = 8;

/// In [`Output::winners`]: the maximum is not positive, and the gradient 0.
pub const NO_WINNER: u8 = 4;

pub struct Output {
    /// (N, C_out, h, w) with [`Shape::result`].
    pub y: Vec<f32>,
    /// With pooling, which of its four positions each result is: what the backward pass goes by.
    pub winners: Vec<u8>,
}

/// `x` is (N, C_in, H, W), `weight` (C_out, C_in, kh, kw). The winners are wanted where there will be a backward pass.
pub fn forward(s: &Shape, x: &[f32], weight: &[f32], bias: Option<&[f32]>, want_winners: bool) -> Output {
    let g = Geometry::new(s);
    let weight = Order::OutputsLast.pack(s, &g, weight);
    let len = s.results();
    let mut y = vec![0f32; s.batch * len];
    // One value for each image where there are none, so that the loop is the same.
    let winners_len = if want_winners && s.epilogue == Epilogue::ReluMaxPool { len } else { 1 };
    let mut winners = vec![0u8; s.batch * winners_len];
    parallel::chunks2((&mut y, len), (&mut winners, winners_len), s.work(), |i, y, winners| {
        scratch::with([g.image, g.positions.len() * WIDTH], |[image, sums]| {
            pack::image(s, &g, &x[i * s.image()..][..s.image()], image);
            let winners = (winners_len == y.len()).then_some(winners);
            dispatch(dense::Forward { s, g: &g, image, weight: &weight, bias, sums, y, winners });
        });
    });
    Output { y, winners }
}

thread_local! {
    static TERMS: RefCell<sparse::Terms> = RefCell::default();
}

/// `dy` is the gradient of the result, or with `norm` that of what the batch normalisation and the epilogue made of it.
pub fn backward(
    s: &Shape,
    x: &[f32],
    weight: &[f32],
    saved: Saved,
    norm: Option<&Norm>,
    dy: &[f32],
    want_dx: bool,
) -> Gradients {
    let g = Geometry::new(s);
    // Rows of a few values, as those of the first layer, are no work for the sparse products.
    let sparse = s.epilogue == Epilogue::ReluMaxPool && s.window.kernel[1] * s.in_channels >= WIDTH;
    let (dw_order, dx_order) =
        if sparse { (Order::OutputsFirst, Order::OutputsFirst) } else { (Order::OutputsLast, Order::Pieces) };
    let weight = if want_dx { dx_order.pack(s, &g, weight) } else { Vec::new() };
    let channels = g.channels(s);
    let per_group = s.batch.div_ceil(GROUPS).max(1);
    let groups = s.batch.div_ceil(per_group);
    let planes = WIDTH * g.outputs.len();

    // Each group has its own sums: dW, then db. Where dx is not wanted a dummy value per group keeps the loop one.
    let (dw_len, image, len) = (dw_order.len(s, &g), s.image(), dy.len() / s.batch.max(1));
    let mut partial = vec![0f32; groups * (dw_len + s.out_channels)];
    let mut dx = vec![0f32; if want_dx { s.batch * image } else { groups }];
    let dx_len = if want_dx { per_group * image } else { 1 };
    parallel::chunks2((&mut dx, dx_len), (&mut partial, dw_len + s.out_channels), 2 * s.work(), |group, dx, sums| {
        let (dw, db) = sums.split_at_mut(dw_len);
        for (i, n) in (group * per_group..s.batch).take(per_group).enumerate() {
            let (x, dy) = (&x[n * image..][..image], &dy[n * len..][..len]);
            let lens = [g.image, if want_dx { g.image } else { 0 }, if sparse { 0 } else { g.blocked() }, planes];
            scratch::with(lens, |[padded, padded_dx, sums, planes]| {
                pack::image(s, &g, x, padded);
                padded_dx.fill(0.);
                if let (true, Saved::Winners(winners)) = (sparse, saved) {
                    TERMS.with_borrow_mut(|terms| {
                        terms.collect(s, &g, &winners[n * len..][..len], dy);
                        let dx = want_dx.then_some(sparse::Dx { weight: &weight, dx: padded_dx });
                        dispatch(sparse::Backward { s, g: &g, image: padded, terms, dw, db, dx });
                    });
                } else {
                    dense::gradient_of_sums(s, &g, saved, norm, n, dy, planes, sums);
                    let dx = want_dx.then_some(dense::Dx { weight: &weight, channels: &channels, dx: padded_dx });
                    dispatch(dense::Backward { s, g: &g, image: padded, dy: sums, dw, db, dx });
                }
                if want_dx {
                    pack::unpad(s, &g, padded_dx, &mut dx[i * image..][..image]);
                }
            });
        }
    });

    let mut sums = vec![0f32; dw_len + s.out_channels];
    for group in partial.chunks_exact(dw_len + s.out_channels) {
        sums.iter_mut().zip(group).for_each(|(sum, part)| *sum += part);
    }
    let weight = dw_order.unpack(s, &g, &sums[..dw_len]);
    Gradients { x: want_dx.then_some(dx), weight, bias: sums.split_off(dw_len) }
}
