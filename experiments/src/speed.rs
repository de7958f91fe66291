//! The speed of a sweep's networks, measured apart from training.

use anyhow::Result;
use candle_core::Tensor;
use datasets::Order;
use records::Speed;
use timing::{Network, TimedNetwork, time_in_turn};

use crate::plan::Run;

/// Times the network of each run on the current rayon pool, in the order of the runs.
pub fn time_networks(runs: &[&Run]) -> Result<Vec<Speed>> {
    time_in_turn(&mut runs.iter().map(|run| timed_network(run)).collect::<Result<Vec<_>>>()?)
}

fn timed_network(run: &Run) -> Result<TimedNetwork> {
    let device = run.device.open()?;
    let network = Network::new(&device, &run.optimizer, |parameters| run.build(parameters))?;
    // The first training images; if there are fewer, they are repeated.
    TimedNetwork::new(network, |size| -> Result<(Tensor, Tensor)> {
        let indices: Vec<usize> = (0..size).map(|index| index % run.data.train.len()).collect();
        let images = run.data.train.subset(&indices);
        let mut batches = images.batches(size, Order::Sequential, &run.data.standardization, &device);
        batches.next().ok_or_else(|| anyhow::anyhow!("there are no images to measure speed with"))?.map_err(Into::into)
    })
}
