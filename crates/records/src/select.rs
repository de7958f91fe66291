//! The choice of the records that a table is made of: one configuration of each variant, and every seed once.

use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
};

use crate::{
    config::RunConfig,
    plan_info::PlanInfo,
    record::{Diverged, Record, Status},
};

/// A record or file that does not count in a table. A variant is named by the factors in which the records differ.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum LeftOut {
    /// A run that occurs more than once.
    Duplicate {
        /// The variant.
        variant: String,
        /// The seed of the run.
        seed: u64,
    },
    /// The records of a variant that have another configuration than those in the table.
    OtherConfiguration {
        /// The variant.
        variant: String,
        /// The number of records.
        records: usize,
        /// The hash of their configuration.
        hash: String,
    },
    /// Records whose runs are not part of the plan that the table shows.
    OtherPlan {
        /// The variant.
        variant: String,
        /// The seeds of the runs.
        seeds: Vec<u64>,
        /// The hash of their configuration.
        hash: String,
    },
    /// A run that diverged.
    Diverged {
        /// The variant.
        variant: String,
        /// The seed of the run.
        seed: u64,
        /// Where it diverged.
        at: Diverged,
    },
    /// A file that is not a record.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason, in words.
        reason: String,
    },
}

/// The properties that distinguish variants. The first three are always named.
const FACTORS: [fn(&RunConfig) -> String; 6] = [
    |config| config.dataset.clone(),
    |config| config.model.clone(),
    |config| config.head.clone(),
    |config| config.input.clone(),
    |config| config.train_size.to_string(),
    |config| config.setting.clone().unwrap_or_default(),
];

fn factors(record: &Record) -> [String; 6] {
    FACTORS.map(|factor| factor(&record.config))
}

/// Chooses the records of a table, sorted by variant in the suite's order, and names the others. With a `plan`, only the
/// records of its runs are chosen. If a variant has several configurations, the one with the most seeds is chosen. Diverged
/// runs are both chosen and named: they count as runs, but not in means.
pub fn select(records: &[Record], plan: Option<&PlanInfo>) -> (Vec<Record>, Vec<LeftOut>) {
    let mut left_out = Vec::new();
    let differs = differing_factors(records);
    let variant = |record: &Record| {
        let named = factors(record).into_iter().zip(differs).filter(|(value, differs)| *differs && !value.is_empty());
        named.map(|(value, _)| value).collect::<Vec<_>>().join(" ")
    };

    let (planned, others): (Vec<&Record>, Vec<&Record>) =
        records.iter().partition(|record| plan.is_none_or(|plan| plan.contains(record)));
    let mut of_other_plans = BTreeMap::<(String, &str), Vec<u64>>::new();
    for record in others {
        of_other_plans.entry((variant(record), &record.config_hash)).or_default().push(record.config.seed);
    }
    for ((variant, hash), mut seeds) in of_other_plans {
        seeds.sort_unstable();
        left_out.push(LeftOut::OtherPlan { variant, seeds, hash: hash.into() });
    }

    let mut groups = BTreeMap::<&str, Vec<&Record>>::new();
    for record in planned {
        let group = groups.entry(&record.config_hash).or_default();
        if group.iter().any(|other| other.config.seed == record.config.seed) {
            left_out.push(LeftOut::Duplicate { variant: variant(record), seed: record.config.seed });
        } else {
            group.push(record);
        }
    }
    let mut groups: Vec<Vec<&Record>> = groups.into_values().collect();
    // The sort is stable: of groups of equal size, the one with the lower hash comes first.
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let mut taken = HashSet::new();
    groups.retain(|group| {
        let is_first = taken.insert(factors(group[0]));
        if !is_first {
            let (variant, hash) = (variant(group[0]), group[0].config_hash.clone());
            left_out.push(LeftOut::OtherConfiguration { variant, records: group.len(), hash });
        }
        is_first
    });
    sort(&mut groups);
    for record in groups.iter().flatten() {
        if let Status::Diverged(at) = record.status {
            left_out.push(LeftOut::Diverged { variant: variant(record), seed: record.config.seed, at });
        }
    }
    (groups.into_iter().flatten().cloned().collect(), left_out)
}

/// Which factors are named: the first three, and those in which the records differ.
fn differing_factors(records: &[Record]) -> [bool; 6] {
    let values: Vec<[String; 6]> = records.iter().map(factors).collect();
    std::array::from_fn(|i| i < 3 || values.iter().any(|other| other[i] != values[0][i]))
}

/// Sorts by the suite's order, but keeps data sets and models together even if a head was added later.
fn sort(groups: &mut [Vec<&Record>]) {
    let mut first = BTreeMap::<Vec<String>, usize>::new();
    for group in groups.iter() {
        let [dataset, model, ..] = factors(group[0]);
        for key in [vec![dataset.clone()], vec![dataset, model]] {
            let order = first.entry(key).or_insert(usize::MAX);
            *order = (*order).min(group[0].suite.order);
        }
    }
    groups.sort_by_cached_key(|group| {
        let [dataset, model, head, ..] = factors(group[0]);
        let of_dataset = first[&vec![dataset.clone()]];
        let of_model = first[&vec![dataset.clone(), model.clone()]];
        (of_dataset, dataset, of_model, model, group[0].suite.order, head)
    });
}
