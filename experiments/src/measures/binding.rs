//! What is measured on networks for protein–drug pairs: how well their scores separate the pairs that bind from the others,
//! and whether the window that decides lies on the motif.

use std::ops::Range;

use anyhow::Result;
use candle_core::Device;
use datasets::{Order, Pairs};
use models::DeepConvDti;
use records::Point;
use statistics::Ranking;
use training::Evaluation;

/// The name of the measure in the configuration of runs.
pub const BINDING: &str = "binding";

/// The number of pairs whose evidence is computed at a time.
const BATCH: usize = 32;

/// The name of each measured quantity and a phrase that explains it.
pub static EXPLANATIONS: &[(&str, &str)] = &[
    ("top1", "the share of pairs that are answered correctly"),
    (
        "auroc",
        "the area under the receiver operating characteristic: the probability that a pair that binds has a higher score \
         than one that does not",
    ),
    ("aupr", "the area under the curve of precision over recall"),
    ("sensitivity", "the share of the pairs that bind whose score is at least the threshold"),
    ("specificity", "the share of the other pairs whose score is below the threshold"),
    ("precision", "of the pairs whose score is at least the threshold, the share that bind"),
    ("f1", "the harmonic mean of precision and sensitivity"),
    (
        "pointing",
        "the share of pairs whose motif lies by half or more under the window that says most for the network's answer, where \
         the evidence of a window is the sum over its features of feature times derivative of the logit",
    ),
    ("pointing-chance", "the same for a window of random size at a random place"),
    (
        "auc-threshold",
        "the threshold whose point of the receiver operating characteristic of the validation pairs is closest to the corner \
         without errors",
    ),
    (
        "aupr-threshold",
        "the threshold at which (1 − recall) / (1 − precision) of the validation pairs is closest to the ratio of pairs that \
         do not bind to those that do",
    ),
    ("test", "on the test pairs, whose proteins are as long as those of training"),
    ("longer", "on pairs whose proteins are longer than all that the network was trained on"),
];

/// Pairs, and what a network says about them.
pub struct Answered<'a> {
    pub pairs: &'a Pairs,
    pub evaluation: Evaluation,
}

impl Answered<'_> {
    fn scores(&self) -> Vec<f64> {
        self.evaluation.scores.iter().map(|&score| score.into()).collect()
    }

    /// Ranks the pairs; `None` if they are all of one class, or a score is not a number.
    pub fn ranking(&self) -> Option<Ranking> {
        Ranking::new(&self.scores(), &self.pairs.labels()).ok()
    }

    /// The shares at a threshold, of which those without a denominator have no value.
    fn at(&self, threshold: f64, setting: &str) -> [Point; 4] {
        let mut counts = [[0usize; 2]; 2];
        for (score, binds) in self.scores().into_iter().zip(self.pairs.labels()) {
            counts[usize::from(binds)][usize::from(score >= threshold)] += 1;
        }
        let [[true_negatives, false_positives], [false_negatives, true_positives]] = counts;
        let share = |part: usize, rest: usize| (part + rest > 0).then(|| part as f64 / (part + rest) as f64);
        let values = [
            ("sensitivity", share(true_positives, false_negatives)),
            ("specificity", share(true_negatives, false_positives)),
            ("precision", share(true_positives, false_positives)),
            ("f1", share(2 * true_positives, false_positives + false_negatives)),
        ];
        values.map(|(measure, value)| Point::number(measure, Some(setting), None, value))
    }
}

/// Measures a network on the test pairs and, if there are any, on pairs of longer proteins. The thresholds are chosen on the
/// validation pairs.
pub fn measure_binding(
    network: &DeepConvDti,
    device: &Device,
    validation: Option<&Answered>,
    test: &Answered,
    longer: Option<&Answered>,
) -> Result<Vec<Point>> {
    let mut points = Vec::new();
    for (part, setting) in [(Some(test), Some("test")), (longer, Some("longer"))] {
        let Some(part) = part else { continue };
        let ranking = part.ranking();
        points.push(Point::share("top1", setting, None, &part.evaluation.hits));
        points.push(Point::number("auroc", setting, None, ranking.as_ref().map(Ranking::auroc)));
        points.push(Point::number("aupr", setting, None, ranking.as_ref().map(Ranking::aupr)));
        if part.pairs.proteins.iter().all(|protein| protein.motif.is_some()) {
            points.push(Point::share("pointing", setting, None, &pointing(network, part, device)?));
            points.push(Point::number("pointing-chance", setting, None, Some(chance(network, part.pairs))));
        }
    }
    if let Some(ranking) = validation.and_then(Answered::ranking) {
        points.extend(test.at(ranking.roc_threshold(), "auc-threshold"));
        points.extend(test.at(ranking.precision_recall_threshold(), "aupr-threshold"));
    }
    Ok(points)
}

/// Returns for each pair whether the window that says most for the network's answer lies on the motif.
fn pointing(network: &DeepConvDti, Answered { pairs, evaluation }: &Answered, device: &Device) -> Result<Vec<bool>> {
    let length = network.config().length;
    let mut hits = Vec::with_capacity(pairs.len());
    for batch in pairs.batches(BATCH, Order::Sequential, length, device) {
        let ([proteins, drugs], _) = batch?;
        for windows in network.evidence(&proteins, &drugs)? {
            let index = hits.len();
            let binds = evaluation.predictions[index] == Some(1);
            let decisive = if binds { windows.first() } else { windows.last() };
            let motif = pairs.protein(index).padded_motif(length);
            hits.push(decisive.zip(motif).is_some_and(|(window, motif)| covers(&window.positions, &motif)));
        }
    }
    Ok(hits)
}

/// Returns whether a window has half the motif or more under it.
fn covers(window: &Range<usize>, motif: &Range<usize>) -> bool {
    let common = window.end.min(motif.end).saturating_sub(window.start.max(motif.start));
    2 * common >= motif.len()
}

/// The share of all windows on the residues of a protein that have half the motif or more under them, as the mean over the
/// window sizes and the pairs.
fn chance(network: &DeepConvDti, pairs: &Pairs) -> f64 {
    let (config, mut total) = (network.config(), 0.);
    for index in 0..pairs.len() {
        let (length, protein) = (config.length, pairs.protein(index));
        let Some(motif) = protein.padded_motif(length) else { continue };
        let residues = length.saturating_sub(protein.residues.len())..length;
        for size in 0..config.windows.len() {
            let covering = residues.clone().filter(|&at| covers(&network.covered(size, at), &motif)).count();
            total += covering as f64 / residues.len() as f64;
        }
    }
    total / (pairs.len() * config.windows.len()) as f64
}
