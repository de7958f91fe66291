//! What a suite compares, in words.

use records::Getter;
use statistics::{By, Certainty, Compared, LEVEL, NoInterval, Quantity, SEEDS_FOR_A_TEST, Selector, Unmeasured};

use crate::{
    document::{Cell, Column, Document, Table},
    number::{NONE, fixed, p_value, signed, two_significant, whole},
};

/// Appends the table of comparisons, unless nothing is compared.
pub fn comparisons(page: &mut Document, compared: &[Compared]) {
    if compared.is_empty() {
        return;
    }
    page.heading(1, "Comparisons");
    let texts = ["comparison", "metric", "a", "b"].map(Column::text).into_iter();
    let numbers = ["a − b, or a / b", "seeds", "p", "p (Holm)"].map(Column::number).into_iter();
    let mut table = Table::new(texts.chain(numbers).chain([Column::text("kind")]));
    compared.iter().for_each(|compared| table.push(cells(compared)));
    page.table(table);
    page.paragraph(format!(
        "Accuracies and measures are means in per cent over the seeds that both sides have; their differences are in \
         points. Brackets hold 95 % confidence intervals by Student's t. They count the variance of the seeds and that of \
         the test images (two-way random effects, with Satterthwaite's degrees of freedom), or, where “seeds alone” is \
         written, that of the seeds. The p-values are one-sided: each tests the hypothesis that the expectation of the \
         comparison's claim contradicts, margin included, and below {LEVEL} it is rejected. They are given for at least \
         {SEEDS_FOR_A_TEST} seeds. Primary comparisons were named in the suite's file, and their p-values are adjusted \
         together (Holm). All other comparisons are descriptive, and their p-values are not adjusted. For timings, \
         brackets hold the range that is possible within the interquartile ranges of both sides. Counts are exact."
    ));
}

fn cells(compared: &Compared) -> [Cell; 9] {
    let comparison = compared.comparison;
    let mut metric = comparison.metric.to_string();
    comparison.setting.iter().for_each(|setting| metric += &format!(", {setting}"));
    comparison.at.iter().for_each(|at| metric += &format!(" at {at}"));
    comparison.mean_over.iter().for_each(|[first, last]| metric += &format!(", mean over {first} to {last}"));
    let effect = compared.effect.as_ref().ok();
    let side = |selector: &Selector, value: Option<f64>| {
        selector.to_string() + &value.map(|value| format!(": {}", absolute(compared, value))).unwrap_or_default()
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
        side(&comparison.a, effect.map(|effect| effect.a)).into(),
        side(&comparison.b, effect.map(|effect| effect.b)).into(),
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
        Ok(Certainty::Timed { .. }) => "timed",
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
    let unit = match compared.comparison.by {
        By::Ratio => " times",
        By::Difference if is_fixed(compared) => "",
        By::Difference => " points",
    };
    let value = relative(compared, effect.value) + unit;
    let range = |low, high| format!("{value} [{}, {}]", relative(compared, low), relative(compared, high));
    match effect.certainty {
        Certainty::Exact => value,
        Certainty::Timed { low, high } => range(low, high),
        Certainty::Images(interval) => range(interval.low, interval.high),
        Certainty::Seeds(interval) => range(interval.low, interval.high) + " (seeds alone)",
        Certainty::Unknown(why) => format!("{value} ({})", no_interval(why)),
    }
}

/// Returns whether a comparison is of counts or timings, which are the same for all seeds.
fn is_fixed(compared: &Compared) -> bool {
    let is_fixed = |getter| matches!(getter, Getter::Count(_) | Getter::Timed(_));
    matches!(&compared.comparison.metric, Quantity::Metric(metric) if is_fixed(metric.getter()))
}

fn absolute(compared: &Compared, value: f64) -> String {
    if is_fixed(compared) { whole(value) } else { fixed(value, 2) }
}

/// A difference or ratio: small ratios to two significant digits, all else that varies to two digits after the point.
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
        Unmeasured::Zero(of) => format!("no ratio, because the count of {of} is 0"),
        Unmeasured::NoSpeed => "speed not measured".into(),
        Unmeasured::OtherMachine => "no ratio, because the runs come from different machines".into(),
        Unmeasured::NoCommonSeed => "no seed for which both sides finished".into(),
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
    }
}
