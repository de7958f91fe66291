//! Remarks at the head of a page on runs whose numbers are not to be relied on.

use records::{Record, RunConfig, Trial, distinct};

use crate::{limits::FEW_UPDATES, suite::Outline};

/// The training accuracy below which a network counts as not trained to the end.
const SATURATED: f64 = 0.9;

impl Outline {
    /// Lists the reasons not to rely on the numbers of these records: too few updates, networks that learnt nothing, and on a
    /// folder of images also networks that have not learnt them well and learning rates that were not chosen on them. `trials`
    /// are those of `--tune`.
    pub fn doubts(&self, records: &[Record], trials: &[Trial]) -> Vec<String> {
        let trained: Vec<&Record> = records.iter().filter(|record| record.outcome.is_some()).collect();
        let variants = |of: &dyn Fn(&Record) -> bool| {
            let matching = trained.iter().filter(|record| of(record));
            let names = distinct(matching.map(|record| {
                let RunConfig { model, head, setting, .. } = &record.config;
                setting.as_ref().map_or(format!("{model} {head}"), |setting| format!("{model} {head} ({setting})"))
            }));
            (!names.is_empty()).then(|| names.join(", "))
        };
        let few = variants(&|record| updates(&record.config) < FEW_UPDATES).map(|names| {
            format!(
                "Trained for fewer than {FEW_UPDATES} updates: {names}. Heads differ in how fast they learn, so that this says \
                 little about which is better; `--updates` sets the number."
            )
        });
        let guessing: Vec<String> = trained.iter().filter_map(|record| guessing(record)).collect();
        let guessing = (!guessing.is_empty()).then(|| {
            format!(
                "These runs have learnt nothing, and are no better than always naming the most frequent class: {}. Such a run \
                 moves the mean of its row far, and makes its interval long.",
                guessing.join("; ")
            )
        });
        let has_not_learnt = |record: &Record| {
            record.outcome.as_ref().is_some_and(|outcome| outcome.train_top1 < SATURATED) && self.is_own(&record.config)
        };
        let unlearnt = variants(&has_not_learnt).map(|names| {
            format!(
                "Training accuracy below {:.0} %: {names}. These networks have not learnt their training images yet: try more \
                 `--updates`, `--tune` or a larger model before comparing them.",
                100. * SATURATED
            )
        });
        let untuned =
            variants(&|record| self.is_own(&record.config) && !was_tuned(&record.config, trials)).map(|names| {
                format!("Learning rates that were not chosen on these images: {names}. `--tune` chooses them.")
            });
        [few, guessing, unlearnt, untuned].into_iter().flatten().collect()
    }
}

/// Describes a run whose network has not learnt its training images, and is not better than one that always names the most
/// frequent class of the test images.
fn guessing(record: &Record) -> Option<String> {
    let outcome = record.outcome.as_ref()?;
    let images: Vec<u64> = record.confusion.as_ref()?.counts.iter().map(|counts| counts.iter().sum()).collect();
    let share = *images.iter().max()? as f64 / images.iter().sum::<u64>() as f64;
    let RunConfig { model, head, dataset, train_size, seed, .. } = &record.config;
    (outcome.top1 <= share && outcome.train_top1 < SATURATED).then(|| {
        format!(
            "{model} {head} on {train_size} samples of {dataset}, seed {seed} (test top-1 {:.1} %)",
            100. * outcome.top1
        )
    })
}

/// The number of optimiser updates of a run.
fn updates(config: &RunConfig) -> u64 {
    let per_epoch = config.train_size.div_ceil(config.batch_size.max(1)) as u64;
    config.updates.unwrap_or(per_epoch.saturating_mul(config.epochs.unwrap_or_default() as u64))
}

/// Returns whether the learning rate of a run is the one that was chosen for its variant on its images.
fn was_tuned(config: &RunConfig, trials: &[Trial]) -> bool {
    trials.iter().any(|trial| {
        let of = (&trial.dataset, &trial.model, &trial.head);
        trial.chosen && of == (&config.dataset, &config.model, &config.head) && trial.lr == config.lr
    })
}

#[cfg(test)]
mod tests {
    use records::Confusion;

    use super::*;

    #[test]
    fn a_network_that_always_names_the_most_frequent_class_is_pointed_out() {
        let classes = ["cat", "dog"].map(String::from).to_vec();
        let mut record = records::samples::record("fc", 0, 5, 0.7);
        record.confusion = Some(Confusion { classes, counts: vec![vec![1, 3], vec![0, 6]] });
        assert_eq!(guessing(&record), None);
        record.confusion.as_mut().unwrap().counts = vec![vec![0, 4], vec![0, 6]];
        let outcome = record.outcome.as_mut().unwrap();
        (outcome.top1, outcome.train_top1) = (0.6, 0.5);
        let described = guessing(&record).unwrap();
        assert_eq!(described, "two-conv fc on 9000 samples of mnist-mini, seed 5 (test top-1 60.0 %)");
    }
}
