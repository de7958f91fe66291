use std::sync::Arc;

use datasets::{Canvas, DatasetId, Shape, Splits};
use heads::HeadConfig;
use models::ModelName;
use records::distinct;
use training::{DeviceKind, Length};

use super::definition::{Suite, Variant};
use crate::{init::Init, limits::LEAST_UPDATES};

/// The changes that options of the command line make to a suite. An option that is not given leaves the suite as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    pub dataset: Option<DatasetId>,
    pub input: Option<Shape>,
    pub models: Option<Vec<ModelName>>,
    pub heads: Option<Vec<HeadConfig>>,
    pub seeds: Option<usize>,
    pub first_seed: u64,
    pub length: Option<Length>,
    pub train_size: Option<usize>,
    pub batch_size: Option<usize>,
    pub lr: Option<f64>,
    pub device: DeviceKind,
    pub init: Option<Init>,
}

impl Suite {
    /// Applies the options. Each replaces all values of the suite: `--train-size 100`, for example, every training size.
    pub fn with(&self, changes: &Changes) -> Suite {
        let mut suite = self.clone();
        if let Some(dataset) = &changes.dataset {
            if !suite.datasets.contains(dataset) {
                suite.variants.iter_mut().for_each(|variant| variant.datasets.clear());
            }
            suite.datasets = vec![dataset.clone()];
        }
        suite.seeds = changes.seeds.unwrap_or(suite.seeds);
        suite.first_seed = changes.first_seed;
        if let Some(length) = changes.length {
            suite.length = length;
            suite.variants.iter_mut().for_each(|variant| variant.length = None);
        }
        suite.train_sizes = changes.train_size.map_or(suite.train_sizes, |size| vec![Some(size)]);
        suite.batch_size = changes.batch_size.unwrap_or(suite.batch_size);
        suite.device = changes.device;
        suite.init = changes.init.clone();
        if changes.models.is_some() || changes.heads.is_some() {
            suite.variants = suite.choose(changes.models.as_deref(), changes.heads.as_deref());
        }
        if let Some(input) = changes.input {
            suite.input = Some(input);
            if suite.canvases.iter().any(|canvas| matches!(canvas, Some(Canvas::Resized { .. }))) {
                suite.canvases = vec![None];
            }
        }
        if let Some(lr) = changes.lr {
            suite.variants.iter_mut().for_each(|variant| (variant.lr, variant.fixed_lr) = (lr, true));
        }
        suite
    }

    /// Trains for at least [`LEAST_UPDATES`] on small data, where the suite's epochs would be over before anything is learnt.
    pub fn lengthen(&mut self, data: &[Arc<Splits>]) {
        let batches: Vec<u64> = data.iter().map(|data| data.train.len().div_ceil(self.batch_size) as u64).collect();
        let lengthen = |length: &mut Length| {
            let updates = |&batches: &u64| length.updates(batches).unwrap_or(u64::MAX);
            let (least, most) = (batches.iter().map(updates).min(), batches.iter().map(updates).max());
            if least.is_some_and(|least| (1..LEAST_UPDATES).contains(&least)) {
                *length = Length::Updates(most.unwrap_or_default().max(LEAST_UPDATES));
            }
        };
        let of_variants = self.variants.iter_mut().filter_map(|variant| variant.length.as_mut());
        [&mut self.length].into_iter().chain(of_variants).for_each(lengthen);
    }

    /// Combines the chosen models and heads. A model that the suite does not have is combined with all of the suite's
    /// heads; a combination that it has keeps its options.
    fn choose(&self, models: Option<&[ModelName]>, heads: Option<&[HeadConfig]>) -> Vec<Variant> {
        let own_models = || distinct(self.variants.iter().map(|variant| variant.model));
        let mut chosen = Vec::new();
        for model in models.map_or_else(own_models, <[_]>::to_vec) {
            let of_model = || self.variants.iter().filter(|variant| variant.model == model);
            let own_heads = || match of_model().next() {
                Some(_) => distinct(of_model().map(|variant| variant.head.clone())),
                None => distinct(self.variants.iter().map(|variant| variant.head.clone())),
            };
            for head in heads.map_or_else(own_heads, <[_]>::to_vec) {
                let known: Vec<&Variant> = of_model().filter(|variant| variant.head == head).collect();
                if known.is_empty() {
                    chosen.push(Variant::new(model, head, self.lr));
                } else {
                    chosen.extend(known.into_iter().cloned());
                }
            }
        }
        distinct(chosen)
    }
}
