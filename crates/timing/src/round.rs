use std::{thread::sleep, time::Duration};

use anyhow::Result;
use rayon::ThreadPoolBuilder;

use crate::{energy::EnergyMeter, machine::Machine, measurement::Measurement, own::OwnNetwork, peer::Peer};

/// The instruments that a round reads besides the clock: the limits of the machine, and its energy.
pub struct Instruments {
    /// The machine whose limits are measured.
    pub machine: Machine,
    /// The meter of energy, if there is one.
    pub energy: Option<EnergyMeter>,
}

/// Executes every request once here and, if there are peers, in each of them and on a single thread.
///
/// # Errors
/// A network that cannot be built, and a peer that fails.
pub fn run_round(measurements: &mut [Measurement], peers: &mut [Peer], instruments: &Instruments) -> Result<()> {
    let Instruments { machine, energy } = instruments;
    for measurement in measurements {
        let request = measurement.request.clone();
        let pool = ThreadPoolBuilder::new().num_threads(request.threads).build()?;
        let mut network = OwnNetwork::new(&request)?;
        let_threads_sleep();
        let time = network.time(&pool, energy.as_ref())?;
        measurement.here.push(request.batch as f64 / time.median);
        measurement.p95.push(time.p95);
        measurement.joules_per_image.extend(time.joules.map(|joules| joules / request.batch as f64));
        measurement.matmul_gflops.push(machine.product_gflops()?);
        measurement.bandwidth_gb_per_sec.push(machine.bandwidth(measurement.least_bytes.unwrap_or_default())?);
        for (peer, rates) in peers.iter_mut().zip(&mut measurement.peers) {
            let_threads_sleep();
            rates.extend(peer.samples_per_sec(&request)?);
        }
        if !peers.is_empty() {
            let_threads_sleep();
            let single = ThreadPoolBuilder::new().num_threads(1).build()?;
            measurement.one_thread.push(request.batch as f64 / network.time(&single, None)?.median);
        }
    }
    Ok(())
}

/// Waits until the threads of the previous contestant sleep. Some of them wait for work by spinning.
fn let_threads_sleep() {
    sleep(Duration::from_millis(50));
}
