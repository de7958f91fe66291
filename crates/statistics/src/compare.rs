use records::{Getter, Measured, Metric, Outcome, Record, Round, Speed, middle};

use crate::{
    bounds::{Bounds, Over},
    claim::Claim,
    comparison::{By, Comparison, Quantity, Selector},
    effect::{Certainty, Compared, Effect, NoInterval, Unmeasured},
    error::Result,
    holm::holm,
    interval::paired_t,
    limits::SEEDS_FOR_A_TEST,
    paired::Paired,
    values::{Values, measured_values, metric_values},
};

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
        of_comparison.p = test.zip(of_comparison.bounds()).map(|(test, bounds)| test.expect.p(&bounds, comparison.by));
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
    pub fn effect(&self, records: &[Record]) -> Result<Result<Effect, Unmeasured>> {
        let [a, b] = [self.select("a", &self.a, records)?, self.select("b", &self.b, records)?];
        for (selector, runs) in [(&self.a, &a), (&self.b, &b)] {
            if runs.is_empty() {
                return Ok(Err(Unmeasured::NoRecords(selector.to_string())));
            }
        }
        if let Some(measure) = self.measure() {
            let values = measured_values(self, measure, &pairs(&a, &b))?;
            return Ok(values.and_then(|values| self.varying(values, &a, &b)));
        }
        let Quantity::Metric(metric) = self.metric else { unreachable!("all else is a measure") };
        let outcomes = |of: &dyn Fn(&Outcome) -> f64| {
            let value = |run: &Record| run.outcome.as_ref().map(|outcome| 100. * of(outcome));
            self.varying_metric(metric, &|[a, b]| Some([value(a)?, value(b)?]), &a, &b)
        };
        Ok(match metric.getter() {
            Getter::Count(count) => self.counted([a[0], b[0]].map(|record| count(record) as f64)),
            Getter::Timed(timed, of_round) => self.timed(timed, of_round, &a, &b),
            Getter::Share(share) | Getter::MeanShare(share) => outcomes(&share),
            Getter::Difference(of, minus) => outcomes(&|outcome| of(outcome) - minus(outcome)),
            Getter::Optional(loss) => self.varying_metric(metric, &|[a, b]| Some([loss(a)?, loss(b)?]), &a, &b),
            Getter::Paired(losses) => self.varying_metric(metric, &losses, &a, &b),
        })
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

    fn value(&self, [a, b]: [f64; 2]) -> f64 {
        match self.by {
            By::Difference => a - b,
            By::Ratio => a / b,
        }
    }

    fn counted(&self, means: [f64; 2]) -> Result<Effect, Unmeasured> {
        if self.by == By::Ratio && means[1] == 0. {
            return Err(Unmeasured::Zero(self.b.to_string()));
        }
        Ok(Effect::fixed(means, self.value(means), Certainty::Exact))
    }

    fn timed(
        &self,
        timed: fn(&Speed) -> Measured,
        of_round: fn(&Round) -> f64,
        a: &[&Record],
        b: &[&Record],
    ) -> Result<Effect, Unmeasured> {
        let mut timed_on = a.iter().chain(b).filter_map(|run| Some((&run.cpu, run.speed.as_ref()?.threads)));
        let first = timed_on.next();
        if timed_on.any(|machine| Some(machine) != first) {
            return Err(Unmeasured::OtherMachine);
        }
        let median = |runs: &[&Record]| {
            let speeds = runs.iter().filter_map(|run| run.speed.as_ref()).map(timed).collect();
            middle(speeds).map(|measured| measured.median)
        };
        let medians = [median(a).ok_or(Unmeasured::NoSpeed)?, median(b).ok_or(Unmeasured::NoSpeed)?];
        let rounds = common_rounds(a, b).map(|rounds| rounds.map(|[a, b]| [of_round(a), of_round(b)]));
        let bounds = rounds.and_then(|rounds| match self.by {
            By::Difference => {
                let (a, b): (Vec<f64>, Vec<f64>) = rounds.map(|[a, b]| (a, b)).unzip();
                Paired::by_seed([&a, &b]).map(|paired| Bounds::of_difference(paired, Over::Rounds))
            }
            By::Ratio => paired_t(&rounds.map(|[a, b]| (a / b).ln()).collect::<Vec<_>>()).map(Bounds::of_rounds),
        });
        let unknown = (self.value(medians), Certainty::Unknown(NoInterval::NoCommonRounds));
        let (value, certainty) = bounds.map_or(unknown, |(value, bounds)| (value, Certainty::Within(bounds)));
        Ok(Effect::fixed(medians, value, certainty))
    }

    /// Compares a metric that varies with the seed. `values` gives the values of two runs, where they are defined.
    fn varying_metric(
        &self,
        metric: Metric,
        values: &dyn Fn([&Record; 2]) -> Option<[f64; 2]>,
        a: &[&Record],
        b: &[&Record],
    ) -> Result<Effect, Unmeasured> {
        self.varying(metric_values(metric, values, &pairs(a, b)), a, b)
    }

    fn varying(&self, values: Values, a: &[&Record], b: &[&Record]) -> Result<Effect, Unmeasured> {
        if values.seeds() == 0 {
            let has_pairs = !pairs(a, b).is_empty();
            return Err(if has_pairs { Unmeasured::Undefined } else { Unmeasured::NoCommonSeed });
        }
        let estimates = values.estimates();
        let means = estimates.map(|estimate| estimate.mean);
        if self.by == By::Ratio && means[1] <= 0. {
            return Err(Unmeasured::Zero(self.b.to_string()));
        }
        let bounds =
            values.paired(a[0].config.dataset == b[0].config.dataset).and_then(|(paired, over)| match self.by {
                By::Difference => Ok(Bounds::of_difference(paired, over)),
                By::Ratio => Bounds::of_ratio(paired, over).ok_or(NoInterval::NoImages),
            });
        let (value, certainty) = match bounds {
            Ok((value, bounds)) => (value, Certainty::Within(bounds)),
            Err(why) => (self.value(means), Certainty::Unknown(why)),
        };
        let others = b.iter().filter(|run| run.config_hash != a[0].config_hash);
        let diverged = a.iter().chain(others).filter(|run| run.outcome.is_none()).count();
        let sds = estimates.map(|estimate| estimate.sd);
        Ok(Effect { means, sds, value, certainty, seeds: values.seeds(), diverged })
    }
}

impl Effect {
    /// An effect that does not vary with the seed.
    fn fixed(means: [f64; 2], value: f64, certainty: Certainty) -> Self {
        Self { means, sds: [None; 2], value, certainty, seeds: 0, diverged: 0 }
    }
}

/// The finished runs of each seed that both sides have.
fn pairs<'a>(a: &[&'a Record], b: &[&'a Record]) -> Vec<[&'a Record; 2]> {
    let is_finished = |run: &&&'a Record| run.outcome.is_some();
    let pair = |&run: &&'a Record| {
        let mut others = b.iter().filter(is_finished);
        Some([run, *others.find(|other| other.config.seed == run.config.seed)?])
    };
    a.iter().filter(is_finished).filter_map(pair).collect()
}

/// The rounds in which both sides took turns.
fn common_rounds<'a>(a: &[&'a Record], b: &[&'a Record]) -> Option<impl Iterator<Item = [&'a Round; 2]>> {
    let rounds = |run: &&'a Record| run.speed.as_ref()?.rounds.as_ref();
    let mut pairs = a.iter().filter_map(rounds).flat_map(|a| b.iter().filter_map(rounds).map(move |b| (a, b)));
    let (a, b) = pairs.find(|(a, b)| a.began_unix_ms == b.began_unix_ms && a.each.len() == b.each.len())?;
    Some(a.each.iter().zip(&b.each).map(|(a, b)| [a, b]))
}
