//! The runs of a sweep. Every network is built and checked before anything trains.

use std::sync::Arc;

use anyhow::Result;
use datasets::{Shape, Splits};
use records::{PlanInfo, RunConfig};
use sha2::{Digest, Sha256};

use crate::{
    misuse::Misuse,
    run::Run,
    shard::{Shard, balance},
    suite::{Suite, Variant},
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
    pub fn new(suite: &Suite, data: &[Arc<Splits>]) -> Result<Self, Misuse> {
        let device = suite.device;
        if !device.is_supported() {
            return Err(Misuse::new(format!(
                "--device {device} is not supported by this build; build it with `cargo run -p experiments --features \
                 {device} -- …`"
            )));
        }
        let mut with_seeds = runs_of_first_seed(suite, data);
        if with_seeds.is_empty() {
            let names: Vec<String> = suite.datasets.iter().map(ToString::to_string).collect();
            return Err(Misuse::new(format!("the suite has no variants for {}", names.join(", "))));
        }
        for (run, _) in &mut with_seeds {
            let title = || format!("{} {}{}", run.model, run.head, run.data_label);
            run.macs = run.check(suite.trains()).map_err(|error| Misuse::from(error.context(title())))?;
        }
        let runs = (0..suite.seeds).flat_map(|index| {
            let of_seed = with_seeds.iter().filter(move |(_, seeds)| index < *seeds);
            of_seed.map(move |(run, _)| Run { seed: suite.first_seed + index as u64, ..run.clone() })
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

/// The first run of every variant on all its data, each with its number of seeds.
fn runs_of_first_seed(suite: &Suite, data: &[Arc<Splits>]) -> Vec<(Run, usize)> {
    let labels = differing_properties(data);
    let mut runs = Vec::new();
    for data in data {
        let data_label: String = labels.iter().map(|label| format!(", {}", label(data))).collect();
        for variant in suite.variants.iter().filter(|variant| variant.is_for(&data.id)) {
            let rate = tuned_rate(suite, variant, data);
            let run = Run {
                data: data.clone(),
                model: variant.model,
                head: variant.head.clone(),
                setting: variant.setting.clone(),
                lr: rate.unwrap_or(variant.lr),
                lacks_rate: rate.is_none() && !variant.fixed_lr && !suite.rates.is_empty(),
                order: runs.len(),
                seed: suite.first_seed,
                length: variant.length.unwrap_or(suite.length),
                batch_size: suite.batch_size,
                augmentation: variant.augmentation,
                schedule: suite.schedule,
                optimizer: suite.optimizer.clone(),
                device: suite.device,
                init: suite.init.clone(),
                measure: suite.measure,
                macs: 0,
                data_label: data_label.clone(),
            };
            runs.push((run, variant.seeds.map_or(suite.seeds, |seeds| seeds.min(suite.seeds))));
        }
    }
    runs
}

fn tuned_rate(suite: &Suite, variant: &Variant, data: &Splits) -> Option<f64> {
    if variant.fixed_lr {
        return None;
    }
    let (model, head, input) =
        (variant.model.to_string(), variant.head.to_string(), Shape(data.train.shape).to_string());
    suite.rates.find([&data.name, &model, &head], &input, data.train.len(), variant.setting.as_deref())
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
