use std::ops::Range;

use plotters::coord::{
    ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter},
    types::RangedCoordf64,
};

/// The scale of one axis, linear or logarithmic, with its ticks.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    range: Range<f64>,
    is_log: bool,
    ticks: Vec<f64>,
}

/// More labels than this are not readable side by side.
const MOST_TICKS: usize = 8;

/// Returns whether a value can be drawn: a number that is not huge, and above zero on a logarithmic axis.
pub fn is_drawable(value: f64, is_log: bool) -> bool {
    value.abs() < 1e300 && (!is_log || value > 1e-300)
}

impl Scale {
    /// Covers these values and a share `margin` of their range on either side; values that cannot be drawn are ignored.
    pub fn around(values: impl IntoIterator<Item = f64>, is_log: bool, margin: f64) -> Self {
        let drawable = values.into_iter().filter(|&value| is_drawable(value, is_log));
        let (mut low, mut high) = extent(drawable).unwrap_or((1., 1.));
        if is_log {
            (low, high) = (low.log10(), high.log10());
        }
        if high - low <= 1e-9 * low.abs().max(high.abs()) {
            let around = if is_log { 0.3 } else { (0.05 * low.abs()).max(1e-6) };
            (low, high) = (low - around, high + around);
        }
        let margin = margin * (high - low);
        (low, high) = (low - margin, high + margin);
        Self::new(if is_log { 10f64.powf(low)..10f64.powf(high) } else { low..high }, is_log)
    }

    /// Covers these values on a linear axis that contains zero, from which bars are drawn.
    pub fn from_zero(values: impl IntoIterator<Item = f64>) -> Self {
        let drawable = values.into_iter().filter(|&value| is_drawable(value, false));
        let (low, high) = extent(drawable.chain([0.])).filter(|(low, high)| low < high).unwrap_or((0., 1.));
        let margin = 0.06 * (high - low);
        Self::new(if low < 0. { low - margin } else { 0. }..if high > 0. { high + margin } else { 0. }, false)
    }

    /// Has a tick in the middle of each of `length` groups, which are 1 wide.
    pub fn groups(length: usize) -> Self {
        let ticks = (0..length).map(|group| group as f64 + 0.5).collect();
        Self { range: 0. ..length as f64, is_log: false, ticks }
    }

    fn new(range: Range<f64>, is_log: bool) -> Self {
        let ticks = if is_log { log_ticks(&range) } else { linear_ticks(&range) };
        Self { range, is_log, ticks }
    }

    /// The label of a tick, as short as it can be while it differs from its neighbours'.
    pub fn label(&self, value: f64) -> String {
        let largest = if self.is_log { value.abs() } else { self.range.start.abs().max(self.range.end.abs()) };
        let (unit, suffix) = match largest {
            1e15.. => return format!("{value:.1e}"),
            1e9.. => (1e9, "G"),
            1e6.. => (1e6, "M"),
            1e4.. => (1e3, "k"),
            1e-4.. => (1., ""),
            _ => return format!("{value:.1e}"),
        };
        let is_exact = |digits: &usize| {
            let scaled = value / unit * 10f64.powi(*digits as i32);
            (scaled - scaled.round()).abs() < 1e-6 * scaled.abs().max(1e-3)
        };
        let digits = match self.ticks.as_slice() {
            [first, second, ..] if !self.is_log => -((second - first) / unit * 1.000_001).log10().floor(),
            _ => (0..3).find(is_exact).unwrap_or(3) as f64,
        };
        crate::number::fixed(value / unit, digits.clamp(0., 9.) as usize) + suffix
    }
}

/// The smallest and the largest value.
fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |extent, value| {
        let (low, high) = extent.unwrap_or((value, value));
        Some((value.min(low), value.max(high)))
    })
}

fn linear_ticks(range: &Range<f64>) -> Vec<f64> {
    RangedCoordf64::from(range.clone()).key_points(MOST_TICKS - 1)
}

/// Powers of ten, or more of their multiples where these are few, or what a linear axis would have.
fn log_ticks(range: &Range<f64>) -> Vec<f64> {
    let decades = range.start.log10().floor() as i32..=range.end.log10().ceil() as i32;
    let stride = decades.clone().count().div_ceil(MOST_TICKS);
    let multiples = |factors: &[i32]| -> Vec<f64> {
        let multiples = |decade: i32| factors.iter().map(move |&factor| f64::from(factor) * 10f64.powi(decade));
        decades.clone().flat_map(multiples).filter(|tick| range.contains(tick)).collect()
    };
    let powers = multiples(&[1]).into_iter().step_by(stride).collect();
    let sets = [powers, multiples(&[1, 2, 5]), multiples(&[1, 2, 3, 4, 6, 8])];
    let readable = sets.into_iter().find(|ticks| (3..=MOST_TICKS).contains(&ticks.len()));
    readable.unwrap_or_else(|| linear_ticks(range))
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    /// A value without a place on the axis is put at its near end.
    fn map(&self, &value: &f64, (from, to): (i32, i32)) -> i32 {
        let Range { start, end } = self.range;
        let place = if self.is_log {
            (value.max(start) / start).ln() / (end / start).ln()
        } else {
            (value - start) / (end - start)
        };
        from + (f64::from(to - from) * place.clamp(0., 1.)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, value: &f64) -> String {
        self.label(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(values: &[f64], is_log: bool) -> Scale {
        Scale::around(values.iter().copied(), is_log, 0.06)
    }

    fn labels(scale: &Scale) -> Vec<String> {
        scale.ticks.iter().map(|&tick| scale.label(tick)).collect()
    }

    #[test]
    fn ticks_are_round_and_as_precise_as_they_must_be() {
        assert_eq!(labels(&around(&[0., 10.], false)), ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(labels(&around(&[97.9, 98.7], false)), ["98.0", "98.2", "98.4", "98.6"]);
        assert_eq!(labels(&around(&[0., 60_000.], false)), ["0k", "10k", "20k", "30k", "40k", "50k", "60k"]);
        assert_eq!(labels(&Scale::from_zero([35.])), ["0", "10", "20", "30"]);
    }

    #[test]
    fn a_logarithmic_axis_has_ticks_whether_it_spans_many_decades_or_none() {
        assert_eq!(labels(&around(&[100., 1e6], true)), ["100", "1000", "10k", "100k", "1M"]);
        assert_eq!(labels(&around(&[20., 900.], true)), ["20", "50", "100", "200", "500", "1000"]);
        assert_eq!(labels(&around(&[28., 112.], true)), ["30", "40", "60", "80", "100"]);
        assert_eq!(labels(&around(&[71_000., 103_000.], true)), ["70k", "80k", "90k", "100k"]);
        assert_eq!(labels(&around(&[2.0e6, 2.6e6], true)), ["2M", "2.1M", "2.2M", "2.3M", "2.4M", "2.5M", "2.6M"]);
        assert!(labels(&around(&[1e-200, 1e200], true)).len() > 3);
    }

    #[test]
    fn the_axis_covers_its_values_also_where_they_are_one_or_huge() {
        let sets: [&[f64]; 7] =
            [&[5.], &[0.], &[-3., -3.], &[1e299, -1e299], &[1e12, 1e12 + 1.], &[98.5, 98.5000001], &[1e-200]];
        for values in sets {
            let scale = around(values, false);
            assert!(values.iter().all(|value| scale.range.contains(value)), "{values:?} {scale:?}");
            assert!((2..=MOST_TICKS).contains(&scale.ticks.len()), "{values:?} {scale:?}");
        }
    }

    #[test]
    fn what_has_no_place_on_the_axis_does_not_stretch_it() {
        let values = [f64::NAN, f64::INFINITY, 1e301, 0., -1., 10., 1000.];
        assert_eq!(around(&values, true), around(&[10., 1000.], true));
        assert_eq!(around(&[], false), around(&[1.], false));
    }
}
