//! The values that a comparison is made of, one per seed, and the hits of the test images that they are shares of.

use records::{Estimate, Metric, Point, Record, bits, distinct, estimate};

use crate::{
    bounds::Over,
    comparison::{Comparison, Selector},
    effect::{NoInterval, Unmeasured},
    error::Result,
    paired::{Hits, Paired},
};

/// One value per seed of a and of b, in the unit of the table.
pub struct Values {
    of_seeds: [Vec<f64>; 2],
    /// The test images that the values are shares of, and how much a value changes if all images become hits.
    hits: Option<([Hits; 2], f64)>,
}

impl Values {
    pub fn seeds(&self) -> usize {
        self.of_seeds[0].len()
    }

    /// The mean and standard deviation of each side over the seeds.
    ///
    /// # Panics
    /// Without seeds.
    pub fn estimates(&self) -> [Estimate; 2] {
        [0, 1].map(|side| estimate(&self.of_seeds[side]).expect("at least one seed"))
    }

    /// Pairs the values of both sides, or says why they have no interval.
    pub fn paired(&self, has_same_images: bool) -> Result<(Paired, Over), NoInterval> {
        let Self { of_seeds, hits } = self;
        match hits {
            _ if self.seeds() < 2 => Err(NoInterval::OneSeed),
            _ if !has_same_images => Err(NoInterval::OtherImages),
            Some(([a, b], _)) if a[0].len() != b[0].len() => Err(NoInterval::OtherNumberOfImages),
            Some((hits, unit)) => {
                let images = hits[0][0].len();
                let shares = [0, 1].map(|side| hits[side].iter().map(|hits| share(hits)).collect::<Vec<f64>>());
                // The part of a value that is not counted from the hits is the same for all images.
                let value = |side: usize, seed: usize, image: usize| {
                    of_seeds[side][seed] + unit * (f64::from(hits[side][seed][image]) - shares[side][seed])
                };
                let paired = Paired::by_image([self.seeds(), images], value).ok_or(NoInterval::NoImages)?;
                Ok((paired, Over::SeedsAndImages))
            }
            None => {
                let paired = Paired::by_seed([&of_seeds[0], &of_seeds[1]]).ok_or(NoInterval::OneSeed)?;
                Ok((paired, Over::Seeds))
            }
        }
    }
}

/// The values of a metric, of the pairs of runs for which they are defined.
pub fn metric_values(
    metric: Metric,
    values: &dyn Fn([&Record; 2]) -> Option<[f64; 2]>,
    pairs: &[[&Record; 2]],
) -> Values {
    let defined: Vec<([&Record; 2], [f64; 2])> =
        pairs.iter().filter_map(|pair| Some((*pair, values(*pair)?))).collect();
    let of_seeds = [0, 1].map(|side| defined.iter().map(|(_, values)| values[side]).collect());
    // Errors, and the gap to the training accuracy, fall as the hits rise.
    let unit = match metric {
        Metric::Top1 => Some(100.),
        Metric::Top1Err | Metric::GeneralisationGap => Some(-100.),
        _ => None,
    };
    let hits = unit.and_then(|unit| {
        let texts = [0, 1].map(|side| defined.iter().map(|(pair, _)| vec![pair[side].test_hits.as_str()]).collect());
        let top1 = |run: &Record| run.outcome.as_ref().map_or(f64::NAN, |outcome| outcome.top1);
        let shares = [0, 1].map(|side| defined.iter().map(|(pair, _)| top1(pair[side])).collect());
        Some((all_hits(&texts, &shares)?, unit))
    });
    Values { of_seeds, hits }
}

/// The values of a measure, or why it has none.
///
/// # Errors
/// Names a measure that has several values.
pub fn measured_values(
    comparison: &Comparison,
    measure: &str,
    pairs: &[[&Record; 2]],
) -> Result<Result<Values, Unmeasured>> {
    let (mut shares, mut hits) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for (side, selector) in [&comparison.a, &comparison.b].into_iter().enumerate() {
        let at = selector.at.or(comparison.at);
        let of = || Selector { at, ..selector.clone() }.to_string();
        for pair in pairs {
            let points = points(comparison, measure, at, pair[side])?;
            if points.is_empty() {
                return Ok(Err(Unmeasured::NoMeasure { measure: measure.into(), of: of() }));
            }
            let Some(all) = points.iter().map(|point| point.value).collect::<Option<Vec<f64>>>() else {
                return Ok(Err(Unmeasured::Impossible { measure: measure.into(), of: of() }));
            };
            shares[side].push(all.iter().sum::<f64>() / all.len() as f64);
            hits[side].extend(points.iter().map(|point| point.hits.as_deref()).collect::<Option<Vec<&str>>>());
        }
    }
    let hits = all_hits(&hits, &shares).map(|hits| (hits, 100.));
    let of_seeds = shares.map(|shares| shares.into_iter().map(|share| 100. * share).collect());
    Ok(Ok(Values { of_seeds, hits }))
}

/// The points of a measure: one, or all those that a mean is taken over.
fn points<'a>(comparison: &Comparison, measure: &str, at: Option<f64>, run: &'a Record) -> Result<Vec<&'a Point>> {
    let Comparison { setting, mean_over, .. } = comparison;
    let is_at = |point: &Point| match (at, mean_over) {
        (Some(_), _) => point.at == at,
        (None, &Some([first, last])) => point.at.is_some_and(|at| first <= at && at <= last),
        (None, None) => true,
    };
    let fits =
        |point: &&Point| point.measure == measure && (setting.is_none() || point.setting == *setting) && is_at(point);
    let points: Vec<&Point> = run.measures.iter().filter(fits).collect();
    let places: Vec<String> = points.iter().map(|point| place(point)).collect();
    let is_ambiguous = match mean_over {
        Some(_) => distinct(places.clone()).len() < places.len(),
        None => places.len() > 1,
    };
    if is_ambiguous {
        return Err(comparison.error(format!("`{measure}` has several values: add one of {}", places.join(", "))));
    }
    Ok(points)
}

/// The keys that select this point, as a suite's file spells them.
fn place(point: &Point) -> String {
    let setting = point.setting.as_ref().map(|setting| format!("setting = \"{setting}\""));
    let at = point.at.map(|at| format!("at = {at}"));
    [setting, at].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The hits of all runs of a and b, if these are their shares. Each run has one text of hits, or several whose mean is taken.
fn all_hits(texts: &[Vec<Vec<&str>>; 2], shares: &[Vec<f64>; 2]) -> Option<[Hits; 2]> {
    let side = |texts: &[Vec<&str>], shares: &[f64]| -> Option<Hits> {
        let most = 4 * texts.first().filter(|_| texts.len() == shares.len())?.first()?.len();
        // The last hexadecimal digit may be padded.
        (most.saturating_sub(3)..=most).rev().find_map(|images| {
            let hits: Hits = texts.iter().map(|of_run| mean_hits(of_run, images)).collect::<Option<_>>()?;
            hits.iter().zip(shares).all(|(hits, value)| (share(hits) - value).abs() < 1e-6).then_some(hits)
        })
    };
    side(&texts[0], &shares[0]).zip(side(&texts[1], &shares[1])).map(|(a, b)| [a, b])
}

fn share(hits: &[f32]) -> f64 {
    hits.iter().map(|&hit| f64::from(hit)).sum::<f64>() / hits.len() as f64
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
