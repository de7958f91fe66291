//! Batch normalisation on position-major feature maps: sums and element-wise functions whose coefficients are vectors over
//! channels. All of them are bound by loads from the second-level cache.

use pulp::Simd;

use super::feature_map::FeatureMap;
use crate::cpu::simd::{BLOCK_WIDTH, Kernel, Row, add, vectors, vectors_mut};

/// The values of each channel, in the order in which they meet the values of a feature map.
pub type Lanes = Vec<f32>;

/// Returns the number of values after which the channels of a map repeat, a multiple of [`BLOCK_WIDTH`].
pub fn period(layout: &FeatureMap) -> usize {
    layout.pitch.max(BLOCK_WIDTH)
}

/// Returns the values of the channels of a map in lanes, with zeros where there is no channel.
pub fn lanes(layout: &FeatureMap, value: impl Fn(usize) -> f32) -> Lanes {
    let channel = |lane| lane % layout.pitch;
    (0..period(layout)).map(|lane| if channel(lane) < layout.channels { value(channel(lane)) } else { 0. }).collect()
}

/// Returns for each channel the lanes in which its values lie.
pub fn lanes_of(layout: &FeatureMap, channel: usize) -> impl Iterator<Item = usize> + Clone + use<> {
    (channel..period(layout)).step_by(layout.pitch)
}

/// Batch normalisation and ReLU, as far as the forward pass applies them to the result z of a convolution.
pub struct Norm {
    pub scale: Lanes,
    pub shift: Lanes,
    pub relu: bool,
}

impl Norm {
    /// Returns the normalised value of z, before the ReLU.
    #[inline(always)]
    fn apply<S: Simd, const V: usize>(&self, simd: S, block: usize, z: Row<S, V>) -> Row<S, V> {
        let [scale, shift] = [&self.scale, &self.shift].map(|lanes| vectors::<S, V>(lanes)[block]);
        std::array::from_fn(|v| simd.add_f32s(simd.mul_f32s(z[v], scale[v]), shift[v]))
    }

    /// Returns the gradient of the normalised value, given that of the result.
    #[inline(always)]
    fn gradient<S: Simd, const V: usize>(&self, simd: S, block: usize, z: Row<S, V>, dy: Row<S, V>) -> Row<S, V> {
        if !self.relu {
            return dy;
        }
        let (y, zero) = (self.apply::<S, V>(simd, block, z), simd.splat_f32s(0.));
        std::array::from_fn(|v| simd.select_f32s(simd.less_than_or_equal_f32s(y[v], zero), zero, dy[v]))
    }
}

/// Writes the normalised result to the inner part of a map.
pub struct Normalise<'a> {
    pub norm: &'a Norm,
    /// Without a border.
    pub z: &'a [f32],
    pub layout: &'a FeatureMap,
    pub map: &'a mut [f32],
}

impl Kernel for Normalise<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { norm, z, layout, map } = self;
        let zero = simd.splat_f32s(0.);
        for_each_row(layout, map, |row, inner| {
            let z = &vectors::<S, V>(&z[row * inner.len()..][..inner.len()]);
            let blocks = norm.scale.len() / BLOCK_WIDTH;
            for (inner, z) in vectors_mut::<S, V>(inner).chunks_exact_mut(blocks).zip(z.chunks_exact(blocks)) {
                for (block, (y, z)) in inner.iter_mut().zip(z).enumerate() {
                    let value = norm.apply::<S, V>(simd, block, *z);
                    *y = if norm.relu {
                        value.map(|v| simd.select_f32s(simd.less_than_f32s(v, zero), zero, v))
                    } else {
                        value
                    };
                }
            }
        });
    }
}

/// Computes the sum and the sum of the squared distances from the mean of each lane of one image.
pub struct Moments<'a> {
    pub z: &'a [f32],
    /// The sums, then the squares, a period each.
    pub sums: &'a mut [f32],
}

impl Kernel for Moments<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { z, sums } = self;
        let (z, blocks) = (vectors::<S, V>(z), sums.len() / 2 / BLOCK_WIDTH);
        let (sums, squares) = vectors_mut::<S, V>(sums).split_at_mut(blocks);
        let share = simd.splat_f32s((blocks as f64 / z.len() as f64) as f32);
        for (block, (sum, square)) in sums.iter_mut().zip(squares).enumerate() {
            [*sum] = column_sums::<S, V, 1>(simd, block, blocks, z.len(), |i| [z[i]]);
            let mean = sum.map(|sum| simd.mul_f32s(sum, share));
            let distance = |i: usize| std::array::from_fn(|v| simd.sub_f32s(z[i][v], mean[v]));
            [*square] = column_sums::<S, V, 1>(simd, block, blocks, z.len(), |i| {
                [Row::<S, V>::map(distance(i), |distance| simd.mul_f32s(distance, distance))]
            });
        }
    }
}

/// Computes Σ g and Σ g·(z − mean) of each lane of one image, where g is the gradient of the normalised values.
pub struct GradientSums<'a> {
    pub norm: &'a Norm,
    pub mean: &'a [f32],
    pub z: &'a [f32],
    pub dy: &'a [f32],
    /// Σ g, then Σ g·(z − mean), a period each.
    pub sums: &'a mut [f32],
}

impl Kernel for GradientSums<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { norm, mean, z, dy, sums } = self;
        let (z, mean, blocks) = (vectors::<S, V>(z), vectors::<S, V>(mean), sums.len() / 2 / BLOCK_WIDTH);
        let dy = &vectors::<S, V>(dy)[..z.len()];
        let (plain, centred) = vectors_mut::<S, V>(sums).split_at_mut(blocks);
        for (block, (plain, centred)) in plain.iter_mut().zip(centred).enumerate() {
            [*plain, *centred] = column_sums::<S, V, 2>(simd, block, blocks, z.len(), |i| {
                let g = norm.gradient::<S, V>(simd, block, z[i], dy[i]);
                let centred = |v: usize| simd.mul_f32s(simd.sub_f32s(z[i][v], mean[block][v]), g[v]);
                [g, std::array::from_fn(centred)]
            });
        }
    }
}

/// Writes the gradient of z, `g·a + (z − mean)·b + c`, to the inner part of a map.
pub struct GradientOfNorm<'a> {
    pub norm: &'a Norm,
    /// a, mean, b and c
    pub coefficients: &'a [Lanes; 4],
    pub z: &'a [f32],
    pub dy: &'a [f32],
    pub layout: &'a FeatureMap,
    pub map: &'a mut [f32],
}

impl Kernel for GradientOfNorm<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { norm, coefficients, z, dy, layout, map } = self;
        let [a, mean, b, c] = coefficients.each_ref().map(|lanes| vectors::<S, V>(lanes));
        for_each_row(layout, map, |row, inner| {
            let [z, dy] = [z, dy].map(|values| vectors::<S, V>(&values[row * inner.len()..][..inner.len()]));
            let positions = z.chunks_exact(a.len()).zip(dy.chunks_exact(a.len()));
            for (to, (z, dy)) in vectors_mut::<S, V>(inner).chunks_exact_mut(a.len()).zip(positions) {
                for (block, (to, (z, dy))) in to.iter_mut().zip(z.iter().zip(dy)).enumerate() {
                    let g = norm.gradient::<S, V>(simd, block, *z, *dy);
                    for v in 0..V {
                        let distance = simd.sub_f32s(z[v], mean[block][v]);
                        let rest = simd.mul_add_e_f32s(distance, b[block][v], c[block][v]);
                        to[v] = simd.mul_add_e_f32s(g[v], a[block][v], rest);
                    }
                }
            }
        });
    }
}

/// Calls `f` with the index and the values of each row of a map, without its border.
#[inline(always)]
fn for_each_row(layout: &FeatureMap, map: &mut [f32], mut f: impl FnMut(usize, &mut [f32])) {
    let len = layout.size[1] * layout.pitch;
    for row in 0..layout.size[0] {
        f(row, &mut map[layout.origin() + row * layout.row_len()..][..len]);
    }
}

/// Adds `f(first)`, `f(first + step)` and so on, for indices below `end`; those at even and at odd places have their own
/// sum, which hides the latency of an addition.
#[inline(always)]
fn column_sums<S: Simd, const V: usize, const N: usize>(
    simd: S,
    first: usize,
    step: usize,
    end: usize,
    f: impl Fn(usize) -> [Row<S, V>; N],
) -> [Row<S, V>; N] {
    let add_all = |sums: &mut [Row<S, V>; N], values: [Row<S, V>; N]| {
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum = add::<S, V>(simd, *sum, value));
    };
    let (mut even, mut odd, mut i) = ([[simd.splat_f32s(0.); V]; N], [[simd.splat_f32s(0.); V]; N], first);
    while i + step < end {
        add_all(&mut even, f(i));
        add_all(&mut odd, f(i + step));
        i += 2 * step;
    }
    if i < end {
        add_all(&mut even, f(i));
    }
    add_all(&mut even, odd);
    even
}
