//! Comparisons, worked out from records.

use anyhow::{Result, bail};

use super::{
    bootstrap::{Hits, REPLICATES, crossed_bootstrap},
    comparison::{By, Comparison, Counted, Metric, Selector, Timed},
    interval::{Interval, paired_t},
};
use crate::{
    aggregate::middle,
    record::{Outcome, Point, Record, bits},
};

/// What a comparison came to. Accuracies and measures in points, as tables show them.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub a: f64,
    pub b: f64,
    /// a less b, or a by b.
    pub value: f64,
    pub certainty: Certainty,
    /// That both have, and that finished; of what is counted or timed, none.
    pub seeds: usize,
    /// Runs of either that diverged.
    pub diverged: usize,
}

/// How well a figure is known.
#[derive(Clone, Debug, PartialEq)]
pub enum Certainty {
    /// Counted.
    Exact,
    /// Timed: as if both lay at the near and at the far ends of their interquartile ranges.
    Timed { low: f64, high: f64 },
    /// Over seeds and test images.
    Images(Interval),
    /// Over seeds.
    Seeds(Interval),
    /// Why there is no interval.
    Unknown(&'static str),
}

/// One number for each seed, and the images it is a share of.
struct Values {
    /// Shares, 0..1.
    values: [Vec<f64>; 2],
    hits: Option<[Hits; 2]>,
    /// What else each seed's difference has.
    offsets: Vec<f64>,
}

impl Comparison {
    /// The figure; or in words why there is none.
    ///
    /// # Errors
    /// Where a selector fits several configurations, or a measure has several values there.
    pub fn figure(&self, records: &[Record]) -> Result<Result<Figure, String>> {
        let [a, b] = [self.select("a", &self.a, records)?, self.select("b", &self.b, records)?];
        for (selector, runs) in [(&self.a, &a), (&self.b, &b)] {
            if runs.is_empty() {
                return Ok(Err(format!("no records of {selector}")));
            }
        }
        Ok(match &self.metric {
            Metric::Counted(counted) => self.counted(*counted, a[0], b[0]),
            Metric::Timed(timed) => self.timed(*timed, &a, &b),
            _ => self.measured(&a, &b)?,
        })
    }

    /// The records of one configuration, by seed, each once.
    fn select<'a>(&self, side: &str, selector: &Selector, records: &'a [Record]) -> Result<Vec<&'a Record>> {
        let mut runs: Vec<&Record> = records.iter().filter(|record| selector.matches(record)).collect();
        if let Some(other) = runs.iter().find(|run| run.config_hash != runs[0].config_hash) {
            let differ = |key: &&String| runs[0].config.get(*key) != other.config.get(*key) && *key != "seed";
            let keys: Vec<&str> = runs[0].config.keys().filter(differ).map(String::as_str).collect();
            bail!(
                "comparison `{}`: {side} = {selector} fits several configurations, which differ in {}: say which",
                self.name,
                keys.join(", ")
            )
        }
        runs.sort_by_key(|run| run.seed());
        runs.dedup_by_key(|run| run.seed());
        Ok(runs)
    }

    fn value(&self, a: f64, b: f64) -> f64 {
        match self.by {
            By::Difference => a - b,
            By::Ratio => a / b,
        }
    }

    fn counted(&self, counted: Counted, a: &Record, b: &Record) -> Result<Figure, String> {
        let [a, b] = [a, b].map(|record| counted.of(record) as f64);
        if self.by == By::Ratio && b == 0. {
            return Err(format!("{} has none, so there is no ratio", self.b));
        }
        Ok(Figure { a, b, value: self.value(a, b), certainty: Certainty::Exact, seeds: 0, diverged: 0 })
    }

    fn timed(&self, timed: Timed, a: &[&Record], b: &[&Record]) -> Result<Figure, String> {
        let speeds = |runs: &[&Record]| {
            middle(runs.iter().filter_map(|run| run.speed.as_ref()).map(|speed| timed.of(speed)).collect())
        };
        let (a, b) = speeds(a).zip(speeds(b)).ok_or("speed not measured")?;
        let [(a_low, a_high), (b_low, b_high)] =
            [a, b].map(|of| (of.median * (1. - of.spread / 2.), of.median * (1. + of.spread / 2.)));
        let certainty = Certainty::Timed { low: self.value(a_low, b_high), high: self.value(a_high, b_low) };
        let (a, b) = (a.median, b.median);
        Ok(Figure { a, b, value: self.value(a, b), certainty, seeds: 0, diverged: 0 })
    }

    fn measured(&self, a: &[&Record], b: &[&Record]) -> Result<Result<Figure, String>> {
        let others = b.iter().filter(|run| run.config_hash != a[0].config_hash);
        let diverged = a.iter().chain(others).filter(|run| run.outcome.is_none()).count();
        let finished = |run: &&&Record| run.outcome.is_some();
        let pairs: Vec<[&Record; 2]> = (a.iter().filter(finished))
            .filter_map(|&run| Some([run, *b.iter().filter(finished).find(|other| other.seed() == run.seed())?]))
            .collect();
        if pairs.is_empty() {
            return Ok(Err("no seed of which both finished".into()));
        }
        let Values { values: [a, b], hits, offsets } = match self.values(&pairs)? {
            Ok(values) => values,
            Err(why) => return Ok(Err(why)),
        };
        let same_images = pairs.iter().all(|[a, b]| a.text("dataset") == b.text("dataset"));
        let certainty = match hits {
            _ if pairs.len() < 2 => Certainty::Unknown("one seed has no interval"),
            _ if !same_images => Certainty::Unknown("not the same test images"),
            Some([a, b]) if a[0].len() != b[0].len() => Certainty::Unknown("not the same number of test images"),
            Some([a, b]) => crossed_bootstrap(&a, &b, &offsets, REPLICATES)?
                .map(Certainty::Images)
                .unwrap_or(Certainty::Unknown("no test images")),
            None => {
                let differences: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
                paired_t(&differences).map(Certainty::Seeds).unwrap_or(Certainty::Unknown("one seed has no interval"))
            }
        };
        let certainty = match certainty {
            Certainty::Images(interval) => Certainty::Images(interval.scaled(100.)),
            Certainty::Seeds(interval) => Certainty::Seeds(interval.scaled(100.)),
            other => other,
        };
        let [a, b] = [a, b].map(|values| 100. * values.iter().sum::<f64>() / values.len() as f64);
        Ok(Ok(Figure { a, b, value: a - b, certainty, seeds: pairs.len(), diverged }))
    }

    /// Or in words why there are none.
    fn values(&self, pairs: &[[&Record; 2]]) -> Result<Result<Values, String>> {
        let no_offsets = vec![0.; pairs.len()];
        if let Some(name) = self.measure() {
            let (mut values, mut hits) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
            for (side, selector) in [&self.a, &self.b].into_iter().enumerate() {
                for pair in pairs {
                    let at = selector.at.or(self.at);
                    let what = || format!("`{name}` of {}", Selector { at, ..selector.clone() });
                    let Some(point) = self.point(name, at, pair[side])? else {
                        return Ok(Err(format!("no record of {}", what())));
                    };
                    let Some(value) = point.value else { return Ok(Err(format!("{} is not possible", what()))) };
                    values[side].push(value);
                    hits[side].extend(point.hits.as_deref());
                }
            }
            let hits = all_hits(&hits, &values);
            return Ok(Ok(Values { values, hits, offsets: no_offsets }));
        }
        let outcomes = |of: fn(&Outcome) -> f64| {
            [0, 1].map(|side| pairs.iter().filter_map(|pair| pair[side].outcome.as_ref()).map(of).collect::<Vec<f64>>())
        };
        let top1 = outcomes(|outcome| outcome.top1);
        let hits =
            all_hits(&[0, 1].map(|side| pairs.iter().map(|pair| pair[side].test_hits.as_str()).collect()), &top1);
        Ok(Ok(match &self.metric {
            Metric::GeneralisationGap => {
                // Less of test accuracy is more of the gap. Training images are no sample here: nothing to draw anew.
                let [a, b] = outcomes(|outcome| outcome.train_top1);
                let offsets = a.iter().zip(&b).map(|(a, b)| a - b).collect();
                let values = outcomes(|outcome| outcome.train_top1 - outcome.top1);
                Values { values, hits: hits.map(|[a, b]| [b, a]), offsets }
            }
            _ => Values { values: top1, hits, offsets: no_offsets },
        }))
    }

    fn point<'a>(&self, name: &str, at: Option<f64>, run: &'a Record) -> Result<Option<&'a Point>> {
        let fits = |point: &&Point| {
            point.measure == name
                && (self.setting.is_none() || point.setting == self.setting)
                && (at.is_none() || point.at == at)
        };
        let points: Vec<&Point> = run.measures.iter().filter(fits).collect();
        if points.len() > 1 {
            let places: Vec<String> = points.iter().map(|point| place(point)).collect();
            bail!("comparison `{}`: `{name}` has several values: say which of {}", self.name, places.join(", "))
        }
        Ok(points.first().copied())
    }
}

fn place(point: &Point) -> String {
    let setting = point.setting.as_ref().map(|setting| format!("setting = \"{setting}\""));
    let at = point.at.map(|at| format!("at = {at}"));
    [setting, at].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The bits of all runs, a's and b's, if their shares are the values.
fn all_hits(texts: &[Vec<&str>; 2], values: &[Vec<f64>; 2]) -> Option<[Hits; 2]> {
    let side = |texts: &[&str], values: &[f64]| -> Option<Hits> {
        let most = 4 * texts.first().filter(|_| texts.len() == values.len())?.len();
        // The last digit may be filled up.
        (most.saturating_sub(3)..=most).rev().find_map(|images| {
            let hits: Hits = texts.iter().map(|text| bits(text, images)).collect::<Option<_>>()?;
            let share = |hits: &Vec<bool>| hits.iter().filter(|&&hit| hit).count() as f64 / images as f64;
            hits.iter().zip(values).all(|(hits, value)| (share(hits) - value).abs() < 1e-9).then_some(hits)
        })
    };
    side(&texts[0], &values[0]).zip(side(&texts[1], &values[1])).map(|(a, b)| [a, b])
}
