//! Charts, drawn on the server as SVG: no script, no picture from elsewhere, colours from the style sheet.

mod draw;
mod scale;

use maud::{Markup, html};

use crate::assets::{CHART_STYLE, colours};
use crate::blocks::empty;

/// How the values of a chart are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChartKind {
    /// A bar a value; the bars of one label stand side by side, one a series.
    #[default]
    Bars,
    /// A line a series.
    Lines,
}

/// How a value becomes a height.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// In proportion, from 0.
    #[default]
    Linear,
    /// By its logarithm, where values differ by orders of magnitude; what is not above 0 stands on the ground.
    Log,
}

/// One row of values, one a label of its [`Chart`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// What the legend calls it.
    pub label: String,
    /// A value a label, each 0 or more. One that is not finite is a gap, and so is one that is missing.
    pub values: Vec<f64>,
}

impl Series {
    /// A series of that name.
    pub fn new(label: impl Into<String>, values: impl Into<Vec<f64>>) -> Self {
        Self {
            label: label.into(),
            values: values.into(),
        }
    }
}

/// What a chart shows. Six series have colours and strokes of their own; of more, they come round again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// What it is about.
    pub title: String,
    /// What is counted or measured, as it stands over the vertical axis: `clicks`, `ms`.
    pub unit: String,
    /// What stands along the horizontal axis, from left to right. Those that do not fit are left out.
    pub labels: Vec<String>,
    /// The rows of values.
    pub series: Vec<Series>,
    /// Bars or lines.
    pub kind: ChartKind,
    /// How a value becomes a height.
    pub scale: Scale,
}

/// The chart as a part of a page: in one drawing for wide windows and one for narrow ones, of which the style sheet shows the
/// one that fits, and with its values as a table for whoever wants to read or copy them.
pub fn chart(chart: &Chart) -> Markup {
    html! {
        figure.chart {
            figcaption { (chart.title) }
            @if chart.labels.is_empty() || chart.series.is_empty() {
                (empty("Nothing to draw yet."))
            } @else {
                (draw::svg(chart, &draw::WIDE))
                (draw::svg(chart, &draw::NARROW))
                details.values {
                    summary { "As a table" }
                    // It may be long, and whoever has no wheel must be able to move it.
                    div.scroll tabindex="0" role="region" aria-label=(chart.title) { (values(chart)) }
                }
            }
        }
    }
}

/// A number as people write it: thousands apart, and no more digits than help.
pub fn number(value: f64) -> String {
    scale::show(value)
}

/// The chart as a file of its own, light or dark as its reader prefers. Drawn from the values alone: the same chart is the
/// same file.
pub fn chart_file(chart: &Chart) -> String {
    let style = format!("{}{CHART_STYLE}", colours());
    let drawing = draw::file(chart, &style);
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n", drawing.0)
}

fn values(chart: &Chart) -> Markup {
    let exact = |series: &Series, i: usize| match series.values.get(i) {
        Some(value) if value.is_finite() => scale::show(*value),
        _ => String::new(),
    };
    html! {
        table.plain {
            caption { (chart.title) ", " (chart.unit) }
            thead { tr {
                th scope="col" {}
                @for series in &chart.series { th.number scope="col" { (series.label) } }
            } }
            tbody {
                @for (i, label) in chart.labels.iter().enumerate() {
                    tr {
                        th scope="row" { (label) }
                        @for series in &chart.series { td.number { (exact(series, i)) } }
                    }
                }
            }
        }
    }
}
