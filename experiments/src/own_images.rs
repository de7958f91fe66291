//! The comparisons on the page of images that the suite's file does not name, such as those of a folder: of the heads that
//! were trained on them, instead of the suite's claims.

use std::path::Path;

use datasets::DatasetId;
use records::{Record, RunConfig, distinct};
use statistics::{By, Comparison, Quantity, Selector};

use crate::suite::Outline;

impl Outline {
    /// The outline for these records. If all are of a folder of images that the suite's file does not name, its comparisons are
    /// those of every head with the first one of its model, and there are no claims and no remarks.
    pub fn for_records(self, records: &[Record]) -> Self {
        if records.iter().any(|record| !self.is_own(&record.config)) {
            return self;
        }
        Self { comparisons: with_first_head(records), claims: Vec::new(), remarks: Vec::new(), ..self }
    }

    /// Returns whether the images of a run are those of a folder that the suite's file does not name.
    pub(crate) fn is_own(&self, config: &RunConfig) -> bool {
        let is_named = |id: &String| Path::new(id).file_name().is_some_and(|name| *name == *config.dataset);
        let is_builtin = DatasetId::builtin().iter().any(|(name, _)| *name == config.dataset);
        !is_builtin && !self.dataset.iter().chain(&self.datasets).any(is_named)
    }
}

/// Compares every head with the first one of the same model on the same images.
fn with_first_head(records: &[Record]) -> Vec<Comparison> {
    let varies =
        |of: &dyn Fn(&RunConfig) -> String| distinct(records.iter().map(|record| of(&record.config))).len() > 1;
    let inputs = varies(&|config| config.input.clone());
    let sizes = varies(&|config| config.train_size.to_string());
    let selector = |RunConfig { model, head, input, train_size, setting, dataset, .. }: &RunConfig| Selector {
        model: model.clone(),
        head: head.clone(),
        dataset: Some(dataset.clone()),
        input: inputs.then(|| input.clone()),
        train_size: sizes.then_some(*train_size),
        setting: setting.clone(),
        at: None,
    };
    let variants = distinct(records.iter().map(|record| selector(&record.config)));
    let mut comparisons = Vec::new();
    for a in &variants {
        let has_conditions_of_a = |b: &&Selector| Selector { head: a.head.clone(), ..(*b).clone() } == *a;
        let Some(b) = variants.iter().find(has_conditions_of_a).filter(|b| *b != a) else { continue };
        comparisons.push(Comparison {
            name: format!("{a} against {}", b.head),
            primary: false,
            metric: Quantity::default(),
            setting: None,
            at: None,
            mean_over: None,
            a: a.clone(),
            b: b.clone(),
            by: By::Difference,
        });
    }
    comparisons
}
