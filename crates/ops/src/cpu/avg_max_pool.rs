//! The average and the maximum of each plane of (N, C, positions), side by side, so that a plane is read once and its
//! gradient written once.

use super::{
    max_pool::MaxPool,
    parallel,
    pool::{self, Regions},
};

/// The number of operations for each value.
const FLOPS_PER_VALUE: usize = 2;

/// A pooling of whole planes.
#[derive(Debug, Clone)]
pub struct AvgMaxPool {
    regions: Regions,
    max: MaxPool,
    channels: usize,
}

impl AvgMaxPool {
    /// Takes the numbers of channels of an image and of positions of a plane.
    pub fn new(channels: usize, positions: usize) -> Self {
        let regions = Regions::whole([1, positions]);
        Self { max: MaxPool::new(vec![regions.clone()]), regions, channels }
    }

    /// Returns the number of values of a plane.
    pub fn plane(&self) -> usize {
        self.regions.plane()
    }

    /// Computes (N, 2·C): the averages of an image, then the maxima.
    pub fn forward(&self, x: &[f32]) -> Vec<f32> {
        let mut y = vec![0f32; x.len() / self.plane() * 2];
        self.forward_into(x, &mut y);
        y
    }

    /// Computes [`forward`](Self::forward) into a given buffer.
    pub fn forward_into(&self, x: &[f32], y: &mut [f32]) {
        let image = self.channels * self.plane();
        parallel::chunks(y, 2 * self.channels, FLOPS_PER_VALUE * x.len(), |i, y| {
            let (x, (averages, maxima)) = (&x[i * image..][..image], y.split_at_mut(self.channels));
            pool::avg_into(&self.regions, x, self.plane(), averages, self.channels);
            self.max.forward_task(x, maxima);
        });
    }

    /// Computes the gradient of the input from that of the result.
    pub fn backward(&self, x: &[f32], dy: &[f32]) -> Vec<f32> {
        let (plane, image) = (self.plane(), self.channels * self.plane());
        parallel::filled(x.len(), image, FLOPS_PER_VALUE * x.len(), |i, dx| {
            let (dx, dy) = (dx.zeroed(), &dy[i * 2 * self.channels..][..2 * self.channels]);
            let (of_averages, of_maxima) = dy.split_at(self.channels);
            let share = 1. / plane as f32;
            dx.chunks_exact_mut(plane).zip(of_averages).for_each(|(dx, dy)| dx.fill(dy * share));
            self.max.add_gradient_of_task(&x[i * image..][..image], of_maxima, dx);
        })
    }
}
