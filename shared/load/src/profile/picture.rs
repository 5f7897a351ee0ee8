//! Load above, latency below, over the same time.

use std::fmt::Write as _;

use pages::{Chart, ChartKind, Scale, Series, chart_file};

use super::report::{Report, Second};

/// More points than this are not told apart: several seconds then become one.
const POINTS_MAX: usize = 240;

pub(super) fn draw(report: &Report) -> String {
    let step = report.seconds.len().div_ceil(POINTS_MAX).max(1);
    let points: Vec<&[Second]> = report.seconds.chunks(step).collect();
    let labels: Vec<String> = points
        .iter()
        .map(|seconds| format!("{} s", seconds.first().map_or(0, |second| second.at_s)))
        .collect();
    let rate = |name: &str, count: fn(&Second) -> u64| {
        let values = points.iter().map(|seconds| {
            let sum: u64 = seconds.iter().map(count).sum();
            super::report::share(sum, seconds.len() as u64)
        });
        Series::new(name, values.collect::<Vec<_>>())
    };
    let latency = |name: &str, ms: fn(&Second) -> f64| {
        // Where nothing was answered there is no latency, which is not the same as none.
        let values = points.iter().map(|seconds| {
            let answered = seconds.iter().filter(|second| second.answered > 0);
            answered.map(ms).fold(f64::NAN, f64::max)
        });
        Series::new(name, values.collect::<Vec<_>>())
    };
    let load = Chart {
        title: format!("{}: load", report.profile),
        unit: "a second".to_owned(),
        labels: labels.clone(),
        series: vec![
            rate("offered", |second| second.offered),
            rate("answered", |second| second.answered),
            rate("failed or dropped", |second| second.failed + second.dropped),
        ],
        kind: ChartKind::Lines,
        scale: Scale::Linear,
    };
    let latency = Chart {
        title: format!("{}: latency, from when an arrival was due", report.profile),
        unit: "ms".to_owned(),
        labels,
        series: vec![
            latency("p50", |second| second.p50_ms),
            latency("p99", |second| second.p99_ms),
        ],
        kind: ChartKind::Lines,
        scale: Scale::Log,
    };
    below_each_other(&[chart_file(&load), chart_file(&latency)])
}

/// Drawings that stand for themselves, as one.
fn below_each_other(drawings: &[String]) -> String {
    let (mut inner, mut width, mut height) = (String::new(), 0.0_f64, 0.0);
    for drawing in drawings {
        let svg = drawing.find("<svg").map_or("", |from| &drawing[from..]);
        let size = |name: &str| {
            attribute(svg, name)
                .and_then(|value| value.parse::<f64>().ok())
                .unwrap_or(0.0)
        };
        let _ = writeln!(
            inner,
            "{}",
            svg.trim_end()
                .replacen("<svg ", &format!("<svg y=\"{height}\" "), 1)
        );
        width = width.max(size("width"));
        height += size("height");
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" \
         height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n{inner}</svg>\n"
    )
}

fn attribute<'a>(svg: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = svg.split_once(&format!(" {name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_drawings_stand_below_each_other() {
        let one = "<?xml?>\n<svg xmlns=\"x\" width=\"100\" height=\"40\"><g/></svg>\n".to_owned();
        let both = below_each_other(&[one.clone(), one]);
        assert!(both.contains("width=\"100\" height=\"80\""), "{both}");
        assert!(
            both.contains("<svg y=\"0\" xmlns") && both.contains("<svg y=\"40\" xmlns"),
            "{both}"
        );
        assert_eq!(both.matches("</svg>").count(), 3);
    }
}
