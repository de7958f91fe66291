use models::thousands;

use super::{Compared, SEEDS_FOR_A_TEST, Verdict, bootstrap::REPLICATES};
use super::{
    comparison::{By, Metric, Selector},
    figure::Certainty,
};

/// Empty where nothing is compared.
pub fn comparisons(compared: &[Compared]) -> String {
    if compared.is_empty() {
        return String::new();
    }
    let mut page = String::from(
        "## Comparisons\n\n\
         | comparison | metric | a | b | a − b, or a / b | seeds | p | p (Holm) | |\n\
         | --- | --- | --- | --- | ---: | ---: | ---: | ---: | --- |\n",
    );
    compared.iter().for_each(|compared| page += &line(&compared.cells()));
    page += &format!(
        "\nFigures of accuracy and of measures are means over the seeds that both have, in per cent, and their \
         differences points; what comes in brackets is a 95 % confidence interval. It is from a bootstrap that draws \
         seeds and, apart from them, test images anew ({} times), paired by both; where it says “seeds alone”, \
         from Student's t over the seeds. Primary comparisons were named in the suite's file and have at least \
         {SEEDS_FOR_A_TEST} seeds; their p-values are adjusted together (Holm). All others describe. Of speeds the \
         brackets hold what the interquartile ranges of both leave open. What is counted is exact.\n\n",
        thousands(REPLICATES as u64)
    );
    page
}

/// Empty where nothing is claimed.
pub fn claims(verdicts: &[Verdict]) -> String {
    if verdicts.is_empty() {
        return String::new();
    }
    let mut page = String::from("## Claims, tested\n\n| claim | verdict | figures |\n| --- | --- | --- |\n");
    for Verdict { claim, verdict, figure } in verdicts {
        page += &line(&[claim.clone(), format!("**{verdict}**"), figure.clone()]);
    }
    page + "\nA claim holds where the whole interval lies where it should, and does not where all of it lies elsewhere; \
            else it is not shown, and the interval says what remains possible.\n\n"
}

fn line(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

impl Compared<'_> {
    fn cells(&self) -> [String; 9] {
        let comparison = self.comparison;
        let mut metric = comparison.metric.to_string();
        comparison.setting.iter().for_each(|setting| metric += &format!(", {setting}"));
        comparison.at.iter().for_each(|at| metric += &format!(" at {at}"));
        let side = |selector: &Selector, value: Option<f64>| {
            let value = value.map_or(String::new(), |value| format!(": {}", self.absolute(value)));
            format!("{selector}{value}")
        };
        let figure = self.figure.as_ref().ok();
        let mut seeds =
            figure.filter(|figure| figure.seeds > 0).map_or("–".into(), |figure| figure.seeds.to_string());
        if let Some(figure) = figure.filter(|figure| figure.diverged > 0) {
            seeds += &format!(" (diverged: {})", figure.diverged);
        }
        let value = match &self.figure {
            Ok(_) => self.value_and_interval(),
            Err(why) => format!("not measured: {why}"),
        };
        [
            comparison.name.clone(),
            metric,
            side(&comparison.a, figure.map(|figure| figure.a)),
            side(&comparison.b, figure.map(|figure| figure.b)),
            value,
            seeds,
            self.p().map_or("–".into(), p_value),
            self.holm.map_or("–".into(), p_value),
            self.role().into(),
        ]
    }

    fn role(&self) -> &'static str {
        match self.figure.as_ref().map(|figure| &figure.certainty) {
            Err(_) => "–",
            Ok(Certainty::Exact) => "counted",
            Ok(Certainty::Timed { .. }) => "timed",
            Ok(_) if self.holm.is_some() => "primary",
            Ok(_) => "descriptive",
        }
    }

    /// The figure in one line.
    pub fn words(&self) -> String {
        match &self.figure {
            Err(why) => why.clone(),
            Ok(_) => match self.holm {
                Some(p) => format!("{}, p {}", self.value_and_interval(), equals(p)),
                None => self.value_and_interval(),
            },
        }
    }

    fn value_and_interval(&self) -> String {
        let Ok(figure) = &self.figure else { return String::new() };
        let (relative, value) = (|value| self.relative(value), self.relative(figure.value));
        let unit = match (self.comparison.by, &self.comparison.metric) {
            (By::Ratio, _) => " times",
            (_, Metric::Counted(_) | Metric::Timed(_)) => "",
            _ => " points",
        };
        let range = |low: f64, high: f64| format!("{value}{unit} [{}, {}]", relative(low), relative(high));
        match &figure.certainty {
            Certainty::Exact => format!("{value}{unit}"),
            Certainty::Timed { low, high } => range(*low, *high),
            Certainty::Images(interval) => range(interval.low, interval.high),
            Certainty::Seeds(interval) => range(interval.low, interval.high) + " (seeds alone)",
            Certainty::Unknown(why) => format!("{value}{unit} ({why})"),
        }
    }

    fn absolute(&self, value: f64) -> String {
        match self.comparison.metric {
            Metric::Counted(_) | Metric::Timed(_) => thousands(value.round() as u64),
            _ => format!("{value:.2}"),
        }
    }

    /// Two digits behind the point; of whole numbers none, of small ratios two that matter.
    fn relative(&self, value: f64) -> String {
        match (self.comparison.by, &self.comparison.metric) {
            (By::Ratio, _) if value < 0.1 => two_digits(value),
            (By::Ratio, _) => format!("{value:.2}"),
            (_, Metric::Counted(_) | Metric::Timed(_)) => {
                let sign = if value < 0. { "−" } else { "+" };
                format!("{sign}{}", thousands(value.abs().round() as u64))
            }
            _ => format!("{value:+.2}").replace('-', "−"),
        }
    }
}

fn equals(p: f64) -> String {
    let text = p_value(p);
    if text.starts_with('<') { text } else { format!("= {text}") }
}

/// To two digits that matter.
fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".into() } else { two_digits(p) }
}

fn two_digits(value: f64) -> String {
    let digits = (1. - value.abs().log10().floor()).clamp(0., 9.) as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_have_two_digits_that_matter_or_are_below_a_thousandth() {
        assert_eq!([0.0002, 0.0012, 0.0346, 0.5, 1.].map(p_value), ["< 0.001", "0.0012", "0.035", "0.50", "1.0"]);
    }
}
