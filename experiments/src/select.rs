//! Which records a table is made of: one configuration of each variant, every seed once.

use std::collections::{BTreeMap, HashSet};

use crate::record::{Record, Status};

/// The records that count, variant by variant in the suite's order, and in words what is left out. A variant that is there
/// in several configurations counts in the one whose hash is among `wanted`, or else in the one with most seeds.
pub fn select(records: &[Record], wanted: &[String]) -> (Vec<Record>, Vec<String>) {
    let mut left_out = Vec::new();
    let differing = differing(records);
    let name = |record: &Record| {
        let factors = FACTORS.iter().zip(record.factors()).filter(|(key, _)| differing.contains(key));
        factors.map(|(_, value)| value).filter(|value| !value.is_empty()).collect::<Vec<_>>().join(" ")
    };
    let title = |record: &Record| format!("{} seed {}", name(record), record.seed().unwrap_or_default());

    // By configuration; a run that is there twice counts once.
    let mut groups = BTreeMap::<&str, Vec<&Record>>::new();
    for record in records {
        let group = groups.entry(&record.config_hash).or_default();
        if group.iter().any(|other| other.seed() == record.seed()) {
            left_out.push(format!("{}: there twice", title(record)));
        } else {
            group.push(record);
        }
    }
    let mut groups: Vec<Vec<&Record>> = groups.into_values().collect();
    // Stable: of equally many the lower hash.
    groups.sort_by_key(|group| std::cmp::Reverse((wanted.contains(&group[0].config_hash), group.len())));
    let mut taken = HashSet::new();
    groups.retain(|group| {
        let first = taken.insert(group[0].factors());
        if !first {
            let (count, hash) = (group.len(), &group[0].config_hash);
            left_out.push(format!("{}: {count} records of another configuration ({hash})", name(group[0])));
        }
        first
    });
    sort(&mut groups);
    for record in groups.iter().flatten() {
        if let Status::Diverged(at) = &record.status {
            left_out.push(format!("{}: {at}", title(record)));
        }
    }
    (groups.into_iter().flatten().cloned().collect(), left_out)
}

/// What tells variants apart, as [`Record::factors`] gives it. The first three are always named.
pub const FACTORS: [&str; 6] = ["dataset", "model", "head", "input", "train_size", "setting"];

fn differing(records: &[Record]) -> Vec<&'static str> {
    let factors: Vec<[String; 6]> = records.iter().map(Record::factors).collect();
    let differs = |i: usize| i < 3 || factors.iter().any(|other| other[i] != factors[0][i]);
    (0..FACTORS.len()).filter(|&i| differs(i)).map(|i| FACTORS[i]).collect()
}

/// Data sets and models stay together, also where an extension added a head later.
fn sort(groups: &mut [Vec<&Record>]) {
    let mut first = BTreeMap::<Vec<String>, usize>::new();
    for group in groups.iter() {
        let [dataset, model, ..] = group[0].factors();
        for key in [vec![dataset.clone()], vec![dataset, model]] {
            let order = first.entry(key).or_insert(usize::MAX);
            *order = (*order).min(group[0].suite.order);
        }
    }
    groups.sort_by_cached_key(|group| {
        let [dataset, model, head, ..] = group[0].factors();
        let of_dataset = first[&vec![dataset.clone()]];
        let of_model = first[&vec![dataset.clone(), model.clone()]];
        (of_dataset, dataset, of_model, model, group[0].suite.order, head)
    });
}
