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
//! products with sparse rows instead ([`sparse`]). 3×3 kernels of stride 1 with enough channels take Winograd's form
//! ([`winograd`]), those of 1×1 take the planes as they are ([`pointwise`]), and so does the forward pass of few channels
//! ([`super::planes`]).

mod dense;
mod epilogue;
mod geometry;
mod method;
mod pack;
mod pointwise;
mod sparse;
mod winograd;

pub use epilogue::Saved;
pub use geometry::{Epilogue, Shape};

use super::conv_norm::Norm;
use super::source::Source;
use super::tally::{Tally, added_up};
use super::tile::{Steps, WIDTH, dispatch};
use super::{Gradients, parallel, planes, scratch};
use epilogue::Target;
use geometry::Geometry;
use method::{Method, few_channels};
use pack::Order;
use std::cell::RefCell;
use winograd::{F2, F4, Tiling};

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

/// A convolution made ready for inputs of one size: its geometry, and the weights in the order the kernels read them.
pub struct Packed {
    s: Shape,
    g: Geometry,
    method: Method,
    weight: Vec<f32>,
}

impl Packed {
    /// `weight` is (C_out, C_in, kh, kw).
    pub fn new(s: &Shape, weight: &[f32]) -> Self {
        Self::with(s, Method::forward(s), weight)
    }

    /// The same where there will be no backward pass.
    pub fn for_inference(s: &Shape, weight: &[f32]) -> Self {
        Self::with(s, Method::inference(s), weight)
    }

    fn with(s: &Shape, (mut method, g): (Method, Geometry), weight: &[f32]) -> Self {
        if few_channels(s) {
            let (channels, relu) = ([1, s.in_channels, s.out_channels], s.epilogue == Epilogue::Relu);
            method = Method::Planes(planes::Packed::new(&s.window, s.input, s.output, channels, weight, relu));
        }
        let weight = match &method {
            Method::Planes(_) => Vec::new(),
            Method::Pointwise(_) => weight.to_vec(),
            Method::Winograd(tiling) => tiling.transform::<F2, 4>(s, &g, weight),
            Method::Winograd4(tiling) => tiling.transform::<F4, 6>(s, &g, weight),
            _ => Order::OutputsLast.pack(s, &g, weight),
        };
        Self { s: *s, g, method, weight }
    }

    /// `x` is (N, C_in, H, W) with any N, `y` (N, C_out, h, w) with [`Shape::result`].
    pub fn forward(&self, x: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
        let (s, together) = (&self.s, self.together());
        let work = y.len() / s.results() * s.work();
        parallel::chunks(y, together * s.results(), work, |i, y| {
            self.images(&x[i * together * s.image()..], bias, y, None);
        });
    }

    /// How many images are done at once.
    fn together(&self) -> usize {
        match &self.method {
            Method::Pointwise(_) => pointwise::together(&self.s),
            Method::Winograd(tiling) => tiling.images,
            Method::Winograd4(tiling) => tiling.images,
            _ => 1,
        }
    }

    /// New results, written by `f` from an image on, along with a buffer of so many values per image.
    fn fresh<B: Send>(
        &self,
        (beside, len): (&mut [B], usize),
        f: impl Fn(usize, &mut [f32], &mut [B]) + Sync + Send,
    ) -> Vec<f32> {
        let (s, together) = (&self.s, self.together());
        let (of_y, beside) = ((s.batch * s.results(), together * s.results()), (beside, together * len));
        parallel::filled2(of_y, beside, s.batch * s.work(), |i, y, beside| f(i * together, y.take_all(), beside))
    }

    /// As [`Packed::forward`], for so many images at most; and if they are wanted the winners of a pooling.
    fn images(&self, x: &[f32], bias: Option<&[f32]>, y: &mut [f32], winners: Option<&mut [u8]>) {
        let Self { s, g, method, weight } = self;
        match method {
            Method::Planes(planes) => {
                let images = x.chunks_exact(s.image()).zip(y.chunks_exact_mut(s.results()));
                images.for_each(|(x, y)| planes.image(x, bias, y));
            }
            Method::Pointwise(steps) => pointwise::forward(s, steps, x, weight, bias, y),
            Method::Winograd(t) => winograd::images::<F2, 2, 4>(s, g, t, x, weight, bias, y, winners),
            Method::Winograd4(t) => winograd::images::<F4, 4, 6>(s, g, t, x, weight, bias, y, winners),
            Method::Direct | Method::Sparse => {
                scratch::with([g.image, dense::AT_ONCE * WIDTH], |[image, sums]| {
                    pack::image(s, g, &x[..s.image()], image);
                    let target = Target { y, winners };
                    dispatch(dense::Forward { s, g, image, weight, bias, sums, target });
                });
            }
        }
    }
}

/// `x` is (N, C_in, H, W), `weight` (C_out, C_in, kh, kw). The winners are wanted where there will be a backward pass.
pub fn forward(s: &Shape, x: &[f32], weight: &[f32], bias: Option<&[f32]>, want_winners: bool) -> Output {
    let packed = Packed::new(s, weight);
    // Where they are not wanted a dummy value per image keeps the loop one.
    let wanted = want_winners && s.epilogue == Epilogue::ReluMaxPool;
    let winners_len = if wanted { s.results() } else { 1 };
    let mut winners = vec![0u8; s.batch * winners_len];
    let y = packed.fresh((&mut winners, winners_len), |first, y, winners| {
        packed.images(&x[first * s.image()..], bias, y, wanted.then_some(winners));
    });
    Output { y, winners }
}

/// [`forward`] without bias and winners, and a tally of its results.
pub fn forward_tallied(s: &Shape, x: Source, weight: &[f32], tally: Tally) -> (Vec<f32>, Vec<f32>) {
    let packed = Packed::new(s, weight);
    let mut tallies = vec![0f32; s.batch * tally.len];
    let y = packed.fresh((&mut tallies, tally.len), |first, y, tallies| {
        let images = y.len() / s.results();
        x.with(first, images, s.image(), |x| packed.images(x, None, y, None));
        tally.take(first, images, y, tallies);
    });
    (y, tallies)
}

thread_local! {
    static TERMS: RefCell<sparse::Terms> = RefCell::default();
}

/// `dy` is the gradient of the result, or with `norm` that of what the batch normalisation and the epilogue made of it.
/// With it comes a tally of dx.
#[allow(clippy::too_many_arguments)]
pub fn backward(
    s: &Shape,
    x: Source,
    weight: &[f32],
    saved: Saved,
    norm: Option<&Norm>,
    dy: &[f32],
    want_dx: bool,
    tally: Tally,
) -> (Gradients, Vec<f32>) {
    let (method, g) = Method::backward(s);
    let (dw_order, dx_order) = method.orders();
    let (weight, channels) = match &method {
        _ if !want_dx => (Vec::new(), Steps::new(Vec::new())),
        Method::Pointwise(_) => pointwise::transposed(s, weight),
        Method::Winograd(tiling) => (tiling.transform_back(s, weight), tiling.output_channels(s)),
        _ => (dx_order.pack(s, &g, weight), g.channels(s)),
    };
    let (padded_len, together, dw_len) = match &method {
        Method::Winograd(tiling) => (tiling.image, tiling.images, tiling.weights(&g)),
        _ => (g.image, 1, dw_order.len(s, &g)),
    };
    let per_group = s.batch.div_ceil(GROUPS).max(1);
    let groups = s.batch.div_ceil(per_group);

    // Each group has its own sums: dW, then db, then tallies. Where dx is not wanted a dummy value per group keeps the
    // loop one.
    let (image, len) = (s.image(), dy.len() / s.batch.max(1));
    let sums_len = dw_len + s.out_channels;
    let group_len = sums_len + per_group * tally.len;
    let mut partial = parallel::filled(groups * group_len, group_len, groups * group_len, |_, _| ());
    let dx_lens = if want_dx { (s.batch * image, per_group * image) } else { (groups, 1) };
    let of_sums = (&mut partial[..], group_len);
    let dx = parallel::filled2(dx_lens, of_sums, 2 * s.batch * s.work(), |group, mut dx, sums| {
        let (dw, sums) = sums.split_at_mut(dw_len);
        let (db, tallies) = sums.split_at_mut(s.out_channels);
        let of_group = group * per_group..((group + 1) * per_group).min(s.batch);
        if let Method::Pointwise(_) = method {
            let (weight, channels) = (&weight, &channels);
            let backward = pointwise::Backward { s, g: &g, x, weight, channels, saved, norm, dy };
            return backward.run(of_group, dw, db, want_dx.then_some(dx), tally, tallies);
        }
        for first in of_group.clone().step_by(together) {
            let images = first..(first + together).min(of_group.end);
            let padded_dx = if want_dx { images.len() * padded_len } else { 0 };
            let (dy_len, [pixels, dm, dv]) = match &method {
                Method::Winograd(t) => (g.blocked(), [t.pixels(), g.blocks * Tiling::<2>::SUMS, Tiling::<2>::SUMS]),
                Method::Sparse => (0, [0; 3]),
                _ => (g.blocked(), [0; 3]),
            };
            let planes = WIDTH * g.outputs.len();
            let lens = [images.len() * padded_len, padded_dx, images.len() * dy_len, planes, pixels, dm, dv];
            scratch::with(lens, |[padded, padded_dx, dy_rows, planes, pixels, dm, dv]| {
                x.with(first, images.len(), image, |x| {
                    let planes = x.chunks_exact(image).zip(padded.chunks_exact_mut(padded_len));
                    planes.for_each(|(x, padded)| pack::image(s, &g, x, padded));
                });
                for (n, rows) in images.clone().zip(dy_rows.chunks_exact_mut(dy_len.max(1))) {
                    epilogue::gradient_of_sums(s, &g, saved, norm, n, &dy[n * len..][..len], planes, rows);
                }
                padded_dx.fill(0.);
                match (&method, saved) {
                    (Method::Sparse, Saved::Winners(winners)) => TERMS.with_borrow_mut(|terms| {
                        let n = first;
                        terms.collect(s, &g, &winners[n * len..][..len], &dy[n * len..][..len]);
                        let dx = want_dx.then_some(sparse::Dx { weight: &weight, dx: padded_dx });
                        dispatch(sparse::Backward { s, g: &g, image: padded, terms, dw, db, dx });
                    }),
                    (Method::Winograd(t), _) => {
                        let dx =
                            want_dx.then_some(winograd::Dx { weight: &weight, channels: &channels, dx: padded_dx });
                        let scratch = [pixels, dm, dv];
                        dispatch(winograd::Backward { s, g: &g, t, images: padded, dy: dy_rows, scratch, dw, db, dx });
                    }
                    _ => {
                        let dx = want_dx.then_some(dense::Dx { weight: &weight, channels: &channels, dx: padded_dx });
                        dispatch(dense::Backward { s, g: &g, image: padded, dy: dy_rows, dw, db, dx });
                    }
                }
                if want_dx {
                    let dx = dx.take(images.len() * image);
                    let planes = padded_dx.chunks_exact(padded_len).zip(dx.chunks_exact_mut(image));
                    planes.for_each(|(padded, dx)| pack::unpad(s, &g, padded, dx));
                    let tallies = &mut tallies[(first - of_group.start) * tally.len..];
                    tally.take(first, images.len(), dx, tallies);
                }
            });
        }
    });

    let (mut sums, tallies) = added_up(&partial, group_len, sums_len);
    let weight = match &method {
        Method::Winograd(tiling) => tiling.weight_gradient(s, &sums[..dw_len]),
        _ => dw_order.unpack(s, &g, &sums[..dw_len]),
    };
    (Gradients { x: want_dx.then_some(dx), weight, bias: sums.split_off(dw_len) }, tallies)
}
