//! What a suite compares, in words.

use records::{Getter, Metric};
use statistics::{
    By, Certainty, Compared, Effect, LEVEL, NoInterval, Over, Quantity, SEEDS_FOR_A_TEST, Selector, Unmeasured,
};

use crate::{
    document::{Cell, Column, Document, Table},
    metric::digits,
    number::{NONE, fixed, p_value, signed, two_significant, whole},
};

/// Appends the table of comparisons, unless nothing is compared. Those of which there are no records are left out.
pub fn comparisons(page: &mut Document, compared: &[Compared]) {
    let measured: Vec<&Compared> =
        compared.iter().filter(|compared| !matches!(compared.effect, Err(Unmeasured::NoRecords(_)))).collect();
    if measured.is_empty() {
        return;
    }
    page.heading(1, "Comparisons");
    let texts = ["comparison", "metric", "a", "b"].map(Column::text).into_iter();
    let numbers = ["a − b, or a / b", "seeds", "p", "p (Holm)"].map(Column::number).into_iter();
    let mut table = Table::new(texts.chain(numbers).chain([Column::text("kind")]));
    measured.iter().for_each(|compared| table.push(cells(compared)));
    page.table(table);
    page.paragraph(format!(
        "Accuracies and measures are in per cent, mean ± standard deviation over the seeds that both sides have; their \
         differences are in points. Brackets hold 95 % confidence intervals by Student's t. They count the variance of the \
         seeds and that of the test images (two-way random effects, with Satterthwaite's degrees of freedom), or, where \
         “seeds alone” is written, that of the seeds. The interval of a ratio of errors or losses is Fieller's: it holds \
         each m for which a − m·b may be 0. That of speeds is of the geometric mean of the ratios of rounds, in each of \
         which both networks had a turn. The p-values are one-sided: each tests the hypothesis that the expectation of the \
         comparison's claim contradicts, margin included, and below {LEVEL} it is rejected. They are given for at least \
         {SEEDS_FOR_A_TEST} seeds. Primary comparisons were named in the suite's file, and their p-values are adjusted \
         together (Holm). All other comparisons are descriptive, and their p-values are not adjusted. Counts are exact."
    ));
}

fn cells(compared: &Compared) -> [Cell; 9] {
    let comparison = compared.comparison;
    let mut metric = comparison.metric.to_string();
    comparison.setting.iter().for_each(|setting| metric += &format!(", {setting}"));
    comparison.at.iter().for_each(|at| metric += &format!(" at {at}"));
    comparison.mean_over.iter().for_each(|[first, last]| metric += &format!(", mean over {first} to {last}"));
    let effect = compared.effect.as_ref().ok();
    let side = |selector: &Selector, side: usize| {
        selector.to_string() + &effect.map(|effect| format!(": {}", mean(compared, effect, side))).unwrap_or_default()
    };
    let mut seeds = effect.filter(|effect| effect.seeds > 0).map_or(NONE.into(), |effect| effect.seeds.to_string());
    if let Some(effect) = effect.filter(|effect| effect.diverged > 0) {
        seeds += &format!(" (diverged: {})", effect.diverged);
    }
    let p = |p: Option<f64>| p.map_or_else(|| NONE.into(), |p| Cell::number(p_value(p), p));
    let value = match &compared.effect {
        Ok(effect) => Cell::number(value_and_interval(compared), effect.value),
        Err(why) => format!("not measured: {}", unmeasured(why)).into(),
    };
    [
        comparison.name.as_str().into(),
        metric.into(),
        side(&comparison.a, 0).into(),
        side(&comparison.b, 1).into(),
        value,
        seeds.into(),
        p(compared.p),
        p(compared.holm),
        kind(compared).into(),
    ]
}

fn kind(compared: &Compared) -> &'static str {
    match compared.effect.as_ref().map(|effect| &effect.certainty) {
        Err(_) => NONE,
        Ok(Certainty::Exact) => "counted",
        Ok(_) if is_timed(compared) => "timed",
        Ok(_) if compared.holm.is_some() => "primary",
        Ok(_) => "descriptive",
    }
}

/// The value of a comparison with its unit and interval: `−3.02 points [−4.10, −2.00]`; or why there is none.
pub fn value_and_interval(compared: &Compared) -> String {
    let effect = match &compared.effect {
        Ok(effect) => effect,
        Err(why) => return unmeasured(why),
    };
    let unit = match (compared.comparison.by, metric(compared).map(|metric| (metric, metric.getter()))) {
        (By::Ratio, _) => " times".into(),
        (_, Some((_, Getter::Count(_)))) => String::new(),
        (_, Some((metric, Getter::Timed(..) | Getter::Optional(_) | Getter::Paired(_)))) => {
            format!(" {}", metric.unit())
        }
        _ => " points".into(),
    };
    let value = relative(compared, effect.value) + &unit;
    match effect.certainty {
        Certainty::Exact => value,
        Certainty::Within(bounds) => {
            let high = if bounds.high.is_finite() { relative(compared, bounds.high) } else { "∞".into() };
            let alone = if bounds.over == Over::Seeds { " (seeds alone)" } else { "" };
            format!("{value} [{}, {high}]{alone}", relative(compared, bounds.low))
        }
        Certainty::Unknown(why) => format!("{value} ({})", no_interval(why)),
    }
}

/// The value of a comparison over too few seeds for an interval that says anything, and the means with their deviations.
pub fn value_and_means(compared: &Compared) -> String {
    let Ok(effect) = &compared.effect else { return value_and_interval(compared) };
    let [a, b] = [0, 1].map(|side| mean(compared, effect, side));
    let value = value_and_interval(compared);
    let value = value.split_once(['[', '(']).map_or(value.as_str(), |(value, _)| value.trim_end());
    format!("{value} ({a} against {b})")
}

/// The mean of a side, with its standard deviation over several seeds: `97.50 ± 0.09`.
fn mean(compared: &Compared, effect: &Effect, side: usize) -> String {
    let sd = effect.sds[side].map(|sd| format!(" ± {}", absolute(compared, sd))).unwrap_or_default();
    mean_alone(compared, effect, side) + &sd
}

/// The mean of a side: `97.50`.
pub fn mean_alone(compared: &Compared, effect: &Effect, side: usize) -> String {
    absolute(compared, effect.means[side])
}

/// The metric that is compared; `None` for a measure.
fn metric(compared: &Compared) -> Option<Metric> {
    match &compared.comparison.metric {
        Quantity::Metric(metric) => Some(*metric),
        Quantity::Measure(_) => None,
    }
}

fn is_timed(compared: &Compared) -> bool {
    metric(compared).is_some_and(|metric| matches!(metric.getter(), Getter::Timed(..)))
}

fn absolute(compared: &Compared, value: f64) -> String {
    match metric(compared) {
        Some(metric) if matches!(metric.getter(), Getter::Count(_) | Getter::Timed(..)) => whole(value),
        Some(metric) => fixed(value, digits(metric)),
        None => fixed(value, 2),
    }
}

/// A difference or ratio: small ratios to two significant digits.
fn relative(compared: &Compared, value: f64) -> String {
    match compared.comparison.by {
        By::Ratio if value < 0.1 => two_significant(value),
        By::Ratio => fixed(value, 2),
        By::Difference => signed(absolute(compared, value)),
    }
}

fn unmeasured(why: &Unmeasured) -> String {
    match why {
        Unmeasured::NoRecords(of) => format!("no records of {of}"),
        Unmeasured::Zero(of) => format!("no ratio, because that of {of} is 0"),
        Unmeasured::NoSpeed => "speed not measured".into(),
        Unmeasured::OtherMachine => "no ratio, because the runs come from different machines".into(),
        Unmeasured::NoCommonSeed => "no seed for which both sides finished".into(),
        Unmeasured::Undefined => "not defined for any seed".into(),
        Unmeasured::NoMeasure { measure, of } => format!("{measure} of {of} was not recorded"),
        Unmeasured::Impossible { of, .. } => format!("{of} cannot be measured"),
    }
}

fn no_interval(why: NoInterval) -> &'static str {
    match why {
        NoInterval::OneSeed => "one seed has no interval",
        NoInterval::OtherImages => "not the same test images",
        NoInterval::OtherNumberOfImages => "not the same number of test images",
        NoInterval::NoImages => "no test images",
        NoInterval::NoCommonRounds => "not timed in the same rounds",
    }
}
