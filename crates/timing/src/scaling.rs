use std::collections::BTreeMap;

use anyhow::Result;
use ops::schedule::Schedule;
use rayon::ThreadPoolBuilder;
use records::Measured;
use serde::{Deserialize, Serialize};

use crate::own::OwnNetwork;

/// The numbers of threads that bounds are computed for.
const THREADS: [usize; 4] = [2, 4, 8, 16];

/// The batches that each bound is computed from.
const BATCHES: usize = 3;

/// The speed that more threads could reach at most, as the serial share and the longest task of each parallel loop bound it.
/// It is computed from times of one thread ([`Schedule`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// The share of one thread's time that is outside of parallel loops.
    pub serial_share: f64,
    /// How many times as fast as one thread each number of threads could be at most.
    pub bounds: BTreeMap<usize, f64>,
}

impl Scaling {
    /// Measures the tasks of a network on one thread.
    ///
    /// # Errors
    /// Images that the network does not take.
    pub fn measure(network: &mut OwnNetwork) -> Result<Self> {
        let pool = ThreadPoolBuilder::new().num_threads(1).build()?;
        let (mut bounds, mut serial_shares) = (BTreeMap::new(), Vec::new());
        for threads in THREADS {
            let schedules = network.schedules(&pool, threads, BATCHES)?;
            let speedups = schedules.iter().map(Schedule::speedup).collect();
            bounds.insert(threads, Measured::of(speedups).median);
            serial_shares.extend(schedules.iter().map(Schedule::serial_share));
        }
        Ok(Self { serial_share: Measured::of(serial_shares).median, bounds })
    }
}
