//! The options of the command line, worked into a suite.

use datasets::Canvas;
use heads::HeadConfig;
use models::ModelName;
use training::Length;

use super::{Suite, Variant};
use crate::{cli::RunOptions, distinct::distinct};

impl Suite {
    /// The suite as the options change it: an option takes the place of a whole axis.
    pub fn with(&self, options: &RunOptions) -> Suite {
        let mut suite = self.clone();
        if let Some(dataset) = &options.dataset {
            if !suite.datasets.contains(dataset) {
                suite.variants.iter_mut().for_each(|variant| variant.datasets.clear());
            }
            suite.datasets = vec![dataset.clone()];
        }
        suite.seeds = options.seeds.unwrap_or(suite.seeds);
        suite.first_seed = options.seed;
        suite.length = options.epochs.map(Length::Epochs).unwrap_or(suite.length);
        suite.length = options.updates.map(|updates| Length::Updates(updates as u64)).unwrap_or(suite.length);
        suite.train_sizes = options.train_size.map_or(suite.train_sizes, |size| vec![Some(size)]);
        suite.batch_size = options.batch_size.unwrap_or(suite.batch_size);
        suite.device = options.device;
        if options.models.is_some() || options.heads.is_some() {
            let heads = options.heads.as_ref().map(|list| list.0.as_slice());
            suite.variants = suite.choose(options.models.as_deref(), heads);
        }
        if let Some(input) = options.input {
            suite.input = Some(input);
            if suite.canvases.iter().any(|canvas| matches!(canvas, Some(Canvas::Resized { .. }))) {
                suite.canvases = vec![None];
            }
        }
        if let Some(lr) = options.lr {
            suite.variants.iter_mut().for_each(|variant| (variant.lr, variant.fixed_lr) = (lr, true));
        }
        suite
    }

    /// Every model with every head that is asked for. A model that the suite lacks gets all its heads; a combination that
    /// the suite names stays what it is there.
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
