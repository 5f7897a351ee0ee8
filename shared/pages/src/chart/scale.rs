//! From values to heights and to numbers that people read.

use super::{Chart, Scale};

/// The vertical axis: where its lines are, and how far a value reaches up.
pub(super) struct Axis {
    scale: Scale,
    /// The values at which a line is drawn, from the ground to the top.
    pub(super) ticks: Vec<f64>,
}

/// About this many lines; more are noise.
const LINES: f64 = 4.0;

impl Axis {
    pub(super) fn of(chart: &Chart) -> Self {
        let values = || {
            let all = chart.series.iter().flat_map(|series| &series.values);
            all.copied().filter(|value| value.is_finite() && *value > 0.0)
        };
        let max = values().fold(0.0, f64::max);
        let ticks = match chart.scale {
            Scale::Linear => linear(max, values().all(|value| value.fract() == 0.0)),
            Scale::Log => powers(values().fold(max, f64::min), max),
        };
        Self {
            scale: chart.scale,
            ticks,
        }
    }

    /// 0 on the ground, 1 at the top line.
    pub(super) fn height(&self, value: f64) -> f64 {
        let (Some(ground), Some(top)) = (self.ticks.first(), self.ticks.last()) else {
            return 0.0;
        };
        let height = match self.scale {
            Scale::Linear => value / top,
            Scale::Log if value <= *ground => 0.0,
            Scale::Log => (value / ground).log10() / (top / ground).log10(),
        };
        height.clamp(0.0, 1.0)
    }
}

/// Round steps from 0 to the first one that is not below `max`.
fn linear(max: f64, whole: bool) -> Vec<f64> {
    if max <= 0.0 {
        return vec![0.0, 1.0];
    }
    let rough = max / LINES;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|of| of * power)
        .find(|step| *step >= rough && !(whole && step.fract() != 0.0))
        .unwrap_or(1.0);
    up_to(max, |i| f64::from(i) * step)
}

/// Powers of ten, from one below the smallest value to the first that is not below the largest.
fn powers(min: f64, max: f64) -> Vec<f64> {
    if max <= 0.0 {
        return vec![1.0, 10.0];
    }
    let lowest = (min.log10().ceil() - 1.0).max(max.log10() - 12.0);
    up_to(max, |i| 10_f64.powf(lowest.floor() + f64::from(i)))
}

/// What `tick` gives for 0, 1, .. up to the first that is not below `max`: two at least, and never without end.
fn up_to(max: f64, tick: impl Fn(u8) -> f64) -> Vec<f64> {
    let mut ticks = vec![tick(0)];
    for i in 1..=20 {
        ticks.push(tick(i));
        if tick(i) >= max * (1.0 - 1e-9) {
            break;
        }
    }
    ticks
}

/// A number as people write it: thousands apart, and no more digits than help.
pub(super) fn show(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 || value.fract() == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, fraction.trim_end_matches('0')),
        None => (text.as_str(), ""),
    };
    let mut shown = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) && !shown.ends_with('-') {
            shown.push(',');
        }
        shown.push(digit);
    }
    if !fraction.is_empty() {
        shown.push('.');
        shown.push_str(fraction);
    }
    shown
}

/// As [`show`], in as little room as a line of the axis has: `12 k`, `3.5 M`.
pub(super) fn show_short(value: f64) -> String {
    for (size, letter) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")] {
        if value.abs() >= size {
            let unit = if letter == "k" { 1e3 } else { size };
            return format!("{} {letter}", show(value / unit));
        }
    }
    show(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::Series;

    fn axis(scale: Scale, values: &[f64]) -> Axis {
        Axis::of(&Chart {
            series: vec![Series::new("s", values)],
            scale,
            ..Chart::default()
        })
    }

    #[test]
    fn lines_stand_at_round_numbers_and_the_largest_value_is_below_the_top_one() {
        let ticks = |values: &[f64]| axis(Scale::Linear, values).ticks;
        assert_eq!(ticks(&[]), [0.0, 1.0]);
        assert_eq!(ticks(&[3.0]), [0.0, 1.0, 2.0, 3.0], "there is no half of a click");
        assert_eq!(ticks(&[1.0]), [0.0, 1.0]);
        assert_eq!(ticks(&[0.9, 0.1]), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(ticks(&[87.0, f64::NAN]), [0.0, 25.0, 50.0, 75.0, 100.0]);
        for max in [1.0, 7.0, 99.0, 101.0, 12_345.0, 1e15, 0.003] {
            let ticks = ticks(&[max]);
            assert!(
                *ticks.last().unwrap() >= max && ticks.len() <= 7,
                "{max}: {ticks:?}"
            );
        }
    }

    #[test]
    fn a_logarithmic_axis_has_a_line_a_power_of_ten_and_shows_the_smallest_value() {
        let axis = axis(Scale::Log, &[1.0, 0.0, 4_000.0]);
        assert_eq!(axis.ticks, [0.1, 1.0, 10.0, 100.0, 1_000.0, 10_000.0]);
        assert!((axis.height(1.0) - 0.2).abs() < 1e-9 && (axis.height(10_000.0) - 1.0).abs() < 1e-9);
        assert!(axis.height(0.0).abs() < 1e-9 && axis.height(-5.0).abs() < 1e-9);
    }

    #[test]
    fn numbers_are_written_for_people() {
        let shown = [0.0, 1_234_567.0, 12.34, 0.125, 1.5, -1_000.0, 99.99, 123.4].map(show);
        assert_eq!(
            shown,
            ["0", "1,234,567", "12.3", "0.125", "1.5", "-1,000", "100", "123"]
        );
        assert_eq!(
            [9_999.0, 12_000.0, 3_500_000.0, 2e9].map(show_short),
            ["9,999", "12 k", "3.5 M", "2 G"]
        );
    }
}
