//! The picture of a lab: one line, or one bar, an arm.

use pages::{Chart, ChartKind, Scale, Series, chart_file};
use serde::Serialize;

/// How the values are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FigureKind {
    /// A group of bars a label.
    #[default]
    Bars,
    /// A line a series, along the labels.
    Lines,
}

/// What the chart shows.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Figure {
    /// What it is about.
    pub title: String,
    /// Of the values.
    pub unit: String,
    /// Along the horizontal axis.
    pub labels: Vec<String>,
    /// A name and a value a label, each.
    pub series: Vec<(String, Vec<f64>)>,
    /// How they are drawn.
    pub kind: FigureKind,
    /// Heights by the values' logarithm.
    pub logarithmic: bool,
}

impl Figure {
    /// Values over time, each arm's steps of `step_ms` as a line.
    pub fn over_time(title: &str, unit: &str, step_ms: u64, arms: Vec<(String, Vec<u64>)>) -> Self {
        let steps = arms.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a chart needs no more digits than a double has"
        )]
        let values = |steps: Vec<u64>| steps.into_iter().map(|value| value as f64).collect();
        Self {
            title: title.to_owned(),
            unit: unit.to_owned(),
            labels: (0..steps as u64).map(|at| seconds(at * step_ms)).collect(),
            series: arms
                .into_iter()
                .map(|(arm, steps)| (arm, values(steps)))
                .collect(),
            kind: FigureKind::Lines,
            logarithmic: false,
        }
    }

    /// One group of bars a label, one bar an arm.
    pub fn bars(title: &str, unit: &str, labels: &[&str], arms: Vec<(String, Vec<f64>)>) -> Self {
        Self {
            title: title.to_owned(),
            unit: unit.to_owned(),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            series: arms,
            kind: FigureKind::Bars,
            logarithmic: false,
        }
    }

    /// With heights by their logarithm, for values that differ by orders of magnitude.
    #[must_use]
    pub fn logarithmic(mut self) -> Self {
        self.logarithmic = true;
        self
    }

    /// As a file of its own, light or dark as its reader prefers.
    pub fn svg(&self) -> String {
        let series = self.series.iter();
        chart_file(&Chart {
            title: self.title.clone(),
            unit: self.unit.clone(),
            labels: self.labels.clone(),
            series: series
                .map(|(arm, values)| Series::new(arm.clone(), values.clone()))
                .collect(),
            kind: match self.kind {
                FigureKind::Bars => ChartKind::Bars,
                FigureKind::Lines => ChartKind::Lines,
            },
            scale: if self.logarithmic {
                Scale::Log
            } else {
                Scale::Linear
            },
        })
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
}
