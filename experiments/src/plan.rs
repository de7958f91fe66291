//! The runs of a sweep. Every network is built and checked before anything trains.

use std::sync::Arc;

use anyhow::Result;
use datasets::{Shape, Splits};
use models::DeepConvDtiConfig;
use records::{PlanInfo, Rates, RunConfig};
use sha2::{Digest, Sha256};

use crate::{
    misuse::Misuse,
    pair_data::PairData,
    run::Run,
    shard::{Shard, balance},
    suite::{LoadedSuite, PairSuite, PairVariant, Suite},
    task::{ImageTask, PairTask},
};

/// All runs of a suite.
pub struct Plan {
    /// The runs, ordered by seed, so that an interrupted sweep leaves complete comparisons.
    pub runs: Vec<Run>,
}

impl Plan {
    /// Plans every variant on all its data with each seed.
    ///
    /// # Errors
    /// [`Misuse`] for networks that cannot be built, such as for too small an input, and for unsupported devices.
    pub fn new(suite: &LoadedSuite) -> Result<Self, Misuse> {
        let (mut with_seeds, device, seeds, first_seed) = match suite {
            LoadedSuite::Images(suite, data) => (of_images(suite, data), suite.device, suite.seeds, suite.first_seed),
            LoadedSuite::Pairs(suite, data) => (of_pairs(suite, data), suite.device, suite.seeds, suite.first_seed),
        };
        if !device.is_supported() {
            return Err(Misuse::new(format!(
                "--device {device} is not supported by this build; build it with `cargo run -p experiments --features \
                 {device} -- …`"
            )));
        }
        if let (LoadedSuite::Images(suite, _), true) = (suite, with_seeds.is_empty()) {
            let names: Vec<String> = suite.datasets.iter().map(ToString::to_string).collect();
            return Err(Misuse::new(format!("the suite has no variants for {}", names.join(", "))));
        }
        for (run, _) in &mut with_seeds {
            let RunConfig { model, head, .. } = run.task.config();
            let title = || format!("{model} {head}{}", run.data_label);
            run.macs = run.check(suite.trains()).map_err(|error| Misuse::from(error.context(title())))?;
        }
        let runs = (0..seeds).flat_map(|index| {
            let of_seed = with_seeds.iter().filter(move |(_, seeds)| index < *seeds);
            of_seed.map(move |(run, _)| Run { seed: first_seed + index as u64, ..run.clone() })
        });
        Ok(Self { runs: runs.collect() })
    }

    /// A hash that is equal for equal runs by the same version of the program.
    pub fn hash(&self) -> Result<String> {
        let configs: Vec<RunConfig> = self.runs.iter().map(Run::config).collect();
        let text = serde_json::to_string(&(env!("CARGO_PKG_VERSION"), configs))?;
        Ok(hex::encode(Sha256::digest(text))[..16].into())
    }

    /// The runs as a page needs to know them.
    pub fn info(&self) -> Result<PlanInfo> {
        let mut info = PlanInfo { hash: self.hash()?, ..PlanInfo::default() };
        for run in &self.runs {
            info.seeds.entry(run.config().hash()).or_default().insert(run.seed);
        }
        Ok(info)
    }

    /// The runs of a shard in the order of the plan, or all runs. All shards have about the same work.
    pub fn shard(&self, shard: Option<Shard>) -> impl Iterator<Item = &Run> {
        let Shard { index, count } = shard.unwrap_or(Shard { index: 1, count: 1 });
        let shards = balance(&self.runs.iter().map(Run::cost).collect::<Vec<_>>(), count);
        self.runs.iter().zip(shards).filter(move |(_, shard)| *shard == index).map(|(run, _)| run)
    }

    /// One run of each variant: that of the first seed, which all variants have.
    pub fn variants(&self) -> impl Iterator<Item = &Run> {
        let first = self.runs.first().map(|run| run.seed);
        self.runs.iter().filter(move |run| Some(run.seed) == first)
    }
}

/// The first run of every variant on all its images, each with its number of seeds.
fn of_images(suite: &Suite, data: &[Arc<Splits>]) -> Vec<(Run, usize)> {
    let labels = differing_properties(data);
    let mut runs = Vec::new();
    for data in data {
        let data_label: String = labels.iter().map(|label| format!(", {}", label(data))).collect();
        for variant in suite.variants.iter().filter(|variant| variant.is_for(&data.id)) {
            let task = ImageTask {
                data: data.clone(),
                model: variant.model,
                head: variant.head.clone(),
                augmentation: variant.augmentation,
                init: suite.init.clone(),
                measure: suite.measure,
            };
            let run = Run {
                task: Arc::new(task),
                setting: variant.setting.clone(),
                lr: variant.lr,
                lacks_rate: false,
                order: runs.len(),
                seed: suite.first_seed,
                length: variant.length.unwrap_or(suite.length),
                batch_size: suite.batch_size,
                schedule: suite.schedule,
                optimizer: suite.optimizer.clone(),
                device: suite.device,
                macs: 0,
                data_label: data_label.clone(),
            };
            let seeds = variant.seeds.map_or(suite.seeds, |seeds| seeds.min(suite.seeds));
            runs.push((at_tuned_rate(run, &suite.rates, variant.fixed_lr), seeds));
        }
    }
    runs
}

/// The first run of every variant on pairs, each with its number of seeds.
fn of_pairs(suite: &PairSuite, data: &Arc<PairData>) -> Vec<(Run, usize)> {
    let run = |(order, variant): (usize, &PairVariant)| {
        let fingerprint_bits = data.train.fingerprint_bits();
        let config = DeepConvDtiConfig { length: data.length, fingerprint_bits, ..variant.config.clone() };
        let run = Run {
            task: Arc::new(PairTask { data: data.clone(), model: variant.model.into(), config }),
            setting: variant.setting.clone(),
            lr: variant.lr,
            lacks_rate: false,
            order,
            seed: suite.first_seed,
            length: suite.length,
            batch_size: suite.batch_size,
            schedule: suite.schedule,
            optimizer: suite.optimizer.clone(),
            device: suite.device,
            macs: 0,
            data_label: String::new(),
        };
        let seeds = variant.seeds.map_or(suite.seeds, |seeds| seeds.min(suite.seeds));
        (at_tuned_rate(run, &suite.rates, variant.fixed_lr), seeds)
    };
    suite.variants.iter().enumerate().map(run).collect()
}

/// Gives a run the learning rate that was chosen for it, unless its rate is fixed.
fn at_tuned_rate(run: Run, rates: &Rates, is_fixed: bool) -> Run {
    if is_fixed || rates.is_empty() {
        return run;
    }
    match rates.find(&run.config()) {
        Some(lr) => Run { lr, ..run },
        None => Run { lacks_rate: true, ..run },
    }
}

/// The properties that differ within the data of one data set. Several data sets differ in them anyway and are told apart
/// by their names.
fn differing_properties(data: &[Arc<Splits>]) -> Vec<fn(&Splits) -> String> {
    let differs = |of: fn(&Splits) -> String| data.iter().any(|other| of(other) != of(&data[0]));
    if differs(|data| data.name.clone()) {
        return Vec::new();
    }
    let properties: [fn(&Splits) -> String; 2] =
        [|data| Shape(data.train.shape).to_string(), |data| format!("{} images", data.train.len())];
    properties.into_iter().filter(|&of| differs(of)).collect()
}
