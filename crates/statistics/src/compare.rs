use records::{Getter, Measured, Metric, Outcome, Point, Record, Speed, bits, distinct, middle};

use crate::{
    claim::Claim,
    comparison::{By, Comparison, Quantity, Selector},
    effect::{Certainty, Compared, Effect, NoInterval, Unmeasured},
    error::Result,
    holm::holm,
    interval::paired_t,
    limits::SEEDS_FOR_A_TEST,
    two_way::{Hits, two_way},
};

/// One value per seed for a and b, shares from 0 to 1.
struct Values {
    values: [Vec<f64>; 2],
    /// The test images that the values are shares of.
    hits: Option<[Hits; 2]>,
    /// The part of each seed's difference that does not come from the hits.
    offsets: Vec<f64>,
}

/// A value, or why it was not measured. The outer error is a mistake in the suite's file.
type MaybeMeasured<T> = Result<Result<T, Unmeasured>>;

/// Compares all that a suite asks for, tests what its claims expect, and adjusts the p-values of the primary comparisons.
///
/// `records` are those of the suite's table, with one configuration per variant.
///
/// # Errors
/// Names a comparison that fits several configurations, or several values of a measure.
pub fn compare<'a>(comparisons: &'a [Comparison], claims: &[Claim], records: &[Record]) -> Result<Vec<Compared<'a>>> {
    let mut compared = Vec::new();
    for comparison in comparisons {
        let mut of_comparison = Compared { comparison, effect: comparison.effect(records)?, p: None, holm: None };
        let seeds = of_comparison.effect.as_ref().map_or(0, |effect| effect.seeds);
        let mut tests = claims.iter().flat_map(|claim| &claim.tests);
        let test = tests.find(|test| test.comparison == comparison.name).filter(|_| seeds >= SEEDS_FOR_A_TEST);
        of_comparison.p = test.zip(of_comparison.interval()).map(|(test, interval)| test.expect.p(&interval));
        compared.push(of_comparison);
    }
    let tested: Vec<(usize, f64)> = (compared.iter().enumerate())
        .filter(|(_, compared)| compared.comparison.primary)
        .filter_map(|(i, compared)| Some((i, compared.p?)))
        .collect();
    let adjusted = holm(&tested.iter().map(|(_, p)| *p).collect::<Vec<_>>());
    tested.iter().zip(adjusted).for_each(|(&(i, _), p)| compared[i].holm = Some(p));
    Ok(compared)
}

impl Comparison {
    /// Compares two configurations, or says why that is not possible.
    ///
    /// # Errors
    /// Names a selector that fits several configurations, and a measure that has several values there.
    pub fn effect(&self, records: &[Record]) -> MaybeMeasured<Effect> {
        let [a, b] = [self.select("a", &self.a, records)?, self.select("b", &self.b, records)?];
        for (selector, runs) in [(&self.a, &a), (&self.b, &b)] {
            if runs.is_empty() {
                return Ok(Err(Unmeasured::NoRecords(selector.to_string())));
            }
        }
        match &self.metric {
            Quantity::Metric(metric) => match metric.getter() {
                Getter::Count(count) => Ok(self.counted([a[0], b[0]].map(|record| count(record) as f64))),
                Getter::Timed(timed) => Ok(self.timed(timed, &a, &b)),
                Getter::Share(share) | Getter::MeanShare(share) => self.varying(*metric, &share, &a, &b),
                Getter::Difference(of, minus) => self.varying(*metric, &|outcome| of(outcome) - minus(outcome), &a, &b),
            },
            Quantity::Measure(_) => self.varying(Metric::Top1, &|outcome| outcome.top1, &a, &b),
        }
    }

    /// The records of one configuration, by seed, each seed once.
    fn select<'a>(&self, side: &str, selector: &Selector, records: &'a [Record]) -> Result<Vec<&'a Record>> {
        let mut runs: Vec<&Record> = records.iter().filter(|record| selector.matches(record)).collect();
        if let Some(other) = runs.iter().find(|run| run.config_hash != runs[0].config_hash) {
            let keys = runs[0].config.differing_keys(&other.config).join(", ");
            return Err(self.error(format!(
                "{side} = {selector} fits several configurations, which differ in {keys}: add one of these keys"
            )));
        }
        runs.sort_by_key(|run| run.config.seed);
        runs.dedup_by_key(|run| run.config.seed);
        Ok(runs)
    }

    fn value(&self, a: f64, b: f64) -> f64 {
        match self.by {
            By::Difference => a - b,
            By::Ratio => a / b,
        }
    }

    fn counted(&self, [a, b]: [f64; 2]) -> Result<Effect, Unmeasured> {
        if self.by == By::Ratio && b == 0. {
            return Err(Unmeasured::Zero(self.b.to_string()));
        }
        Ok(Effect { a, b, value: self.value(a, b), certainty: Certainty::Exact, seeds: 0, diverged: 0 })
    }

    fn timed(&self, timed: fn(&Speed) -> Measured, a: &[&Record], b: &[&Record]) -> Result<Effect, Unmeasured> {
        let mut timed_on = a.iter().chain(b).filter_map(|run| Some((&run.cpu, run.speed.as_ref()?.threads)));
        let first = timed_on.next();
        if timed_on.any(|machine| Some(machine) != first) {
            return Err(Unmeasured::OtherMachine);
        }
        let speeds = |runs: &[&Record]| middle(runs.iter().filter_map(|run| run.speed.as_ref()).map(timed).collect());
        let (a, b) = speeds(a).zip(speeds(b)).ok_or(Unmeasured::NoSpeed)?;
        let [(a_low, a_high), (b_low, b_high)] =
            [a, b].map(|side| (side.median * (1. - side.spread / 2.), side.median * (1. + side.spread / 2.)));
        let certainty = Certainty::Timed { low: self.value(a_low, b_high), high: self.value(a_high, b_low) };
        let (a, b) = (a.median, b.median);
        Ok(Effect { a, b, value: self.value(a, b), certainty, seeds: 0, diverged: 0 })
    }

    fn varying(
        &self,
        metric: Metric,
        share: &dyn Fn(&Outcome) -> f64,
        a: &[&Record],
        b: &[&Record],
    ) -> MaybeMeasured<Effect> {
        let others = b.iter().filter(|run| run.config_hash != a[0].config_hash);
        let diverged = a.iter().chain(others).filter(|run| run.outcome.is_none()).count();
        let is_finished = |run: &&&Record| run.outcome.is_some();
        let pairs: Vec<[&Record; 2]> = (a.iter().filter(is_finished))
            .filter_map(|&run| {
                let mut others = b.iter().filter(is_finished);
                Some([run, *others.find(|other| other.config.seed == run.config.seed)?])
            })
            .collect();
        if pairs.is_empty() {
            return Ok(Err(Unmeasured::NoCommonSeed));
        }
        let values = match self.measure() {
            Some(measure) => match self.measured_values(measure, &pairs)? {
                Ok(values) => values,
                Err(why) => return Ok(Err(why)),
            },
            None => metric_values(metric, share, &pairs),
        };
        let seeds = pairs.len();
        let has_same_images = pairs.iter().all(|[a, b]| a.config.dataset == b.config.dataset);
        let certainty = certainty(&values, has_same_images);
        let [a, b] = values.values.map(|values| 100. * values.iter().sum::<f64>() / values.len() as f64);
        Ok(Ok(Effect { a, b, value: a - b, certainty, seeds, diverged }))
    }

    fn measured_values(&self, measure: &str, pairs: &[[&Record; 2]]) -> MaybeMeasured<Values> {
        let (mut values, mut hits) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        for (side, selector) in [&self.a, &self.b].into_iter().enumerate() {
            let at = selector.at.or(self.at);
            let of = || Selector { at, ..selector.clone() }.to_string();
            for pair in pairs {
                let points = self.points(measure, at, pair[side])?;
                if points.is_empty() {
                    return Ok(Err(Unmeasured::NoMeasure { measure: measure.into(), of: of() }));
                }
                let Some(all) = points.iter().map(|point| point.value).collect::<Option<Vec<f64>>>() else {
                    return Ok(Err(Unmeasured::Impossible { measure: measure.into(), of: of() }));
                };
                values[side].push(all.iter().sum::<f64>() / all.len() as f64);
                hits[side].extend(points.iter().map(|point| point.hits.as_deref()).collect::<Option<Vec<&str>>>());
            }
        }
        let hits = all_hits(&hits, &values);
        Ok(Ok(Values { values, hits, offsets: vec![0.; pairs.len()] }))
    }

    /// The points of a measure: one, or all those that a mean is taken over.
    fn points<'a>(&self, measure: &str, at: Option<f64>, run: &'a Record) -> Result<Vec<&'a Point>> {
        let is_at = |point: &Point| match (at, self.mean_over) {
            (Some(_), _) => point.at == at,
            (None, Some([first, last])) => point.at.is_some_and(|at| first <= at && at <= last),
            (None, None) => true,
        };
        let of_setting = |point: &Point| self.setting.is_none() || point.setting == self.setting;
        let fits = |point: &&Point| point.measure == measure && of_setting(point) && is_at(point);
        let points: Vec<&Point> = run.measures.iter().filter(fits).collect();
        let places: Vec<String> = points.iter().map(|point| place(point)).collect();
        let is_ambiguous = match self.mean_over {
            Some(_) => distinct(places.clone()).len() < places.len(),
            None => places.len() > 1,
        };
        if is_ambiguous {
            return Err(self.error(format!("`{measure}` has several values: add one of {}", places.join(", "))));
        }
        Ok(points)
    }
}

fn metric_values(metric: Metric, share: &dyn Fn(&Outcome) -> f64, pairs: &[[&Record; 2]]) -> Values {
    let outcomes = |of: &dyn Fn(&Outcome) -> f64| {
        [0, 1].map(|side| pairs.iter().filter_map(|pair| pair[side].outcome.as_ref()).map(of).collect::<Vec<f64>>())
    };
    let hits = || {
        let texts = [0, 1].map(|side| pairs.iter().map(|pair| vec![pair[side].test_hits.as_str()]).collect());
        all_hits(&texts, &outcomes(&|outcome| outcome.top1))
    };
    let (hits, offsets) = match metric {
        Metric::Top1 => (hits(), vec![0.; pairs.len()]),
        Metric::GeneralisationGap => {
            // A lower test accuracy is a wider gap. Training images are no sample, so their part is the same in each
            // replicate.
            let [a, b] = outcomes(&|outcome| outcome.train_top1);
            (hits().map(|[a, b]| [b, a]), a.iter().zip(&b).map(|(a, b)| a - b).collect())
        }
        _ => (None, vec![0.; pairs.len()]),
    };
    Values { values: outcomes(share), hits, offsets }
}

fn certainty(Values { values: [a, b], hits, offsets }: &Values, has_same_images: bool) -> Certainty {
    match hits {
        _ if offsets.len() < 2 => Certainty::Unknown(NoInterval::OneSeed),
        _ if !has_same_images => Certainty::Unknown(NoInterval::OtherImages),
        Some([a, b]) if a[0].len() != b[0].len() => Certainty::Unknown(NoInterval::OtherNumberOfImages),
        Some([a, b]) => two_way(a, b, offsets)
            .map_or(Certainty::Unknown(NoInterval::NoImages), |interval| Certainty::Images(interval.scaled(100.))),
        None => {
            let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
            paired_t(&differences)
                .map_or(Certainty::Unknown(NoInterval::OneSeed), |interval| Certainty::Seeds(interval.scaled(100.)))
        }
    }
}

/// The keys that select this point, as a suite's file spells them.
fn place(point: &Point) -> String {
    let setting = point.setting.as_ref().map(|setting| format!("setting = \"{setting}\""));
    let at = point.at.map(|at| format!("at = {at}"));
    [setting, at].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The hits of all runs of a and b, if the values are their shares. Each run has one text of hits, or several whose mean is
/// taken.
fn all_hits(texts: &[Vec<Vec<&str>>; 2], values: &[Vec<f64>; 2]) -> Option<[Hits; 2]> {
    let side = |texts: &[Vec<&str>], values: &[f64]| -> Option<Hits> {
        let most = 4 * texts.first().filter(|_| texts.len() == values.len())?.first()?.len();
        // The last hexadecimal digit may be padded.
        (most.saturating_sub(3)..=most).rev().find_map(|images| {
            let hits: Hits = texts.iter().map(|of_run| mean_hits(of_run, images)).collect::<Option<_>>()?;
            let share = |hits: &[f32]| hits.iter().map(|&hit| f64::from(hit)).sum::<f64>() / images as f64;
            hits.iter().zip(values).all(|(hits, value)| (share(hits) - value).abs() < 1e-6).then_some(hits)
        })
    };
    side(&texts[0], &values[0]).zip(side(&texts[1], &values[1])).map(|(a, b)| [a, b])
}

/// The mean of several hits for each image.
fn mean_hits(texts: &[&str], images: usize) -> Option<Vec<f32>> {
    let mut mean = vec![0.; images];
    for text in texts {
        for (mean, hit) in mean.iter_mut().zip(bits(text, images)?) {
            *mean += if hit { 1. / texts.len() as f32 } else { 0. };
        }
    }
    Some(mean)
}
