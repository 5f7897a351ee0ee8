//! Panels, before they are JSON.

use super::needs::{Need, needs};
use super::promql::metric_names;
use super::{Emitted, is_derived};

/// How a panel looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Lines over time.
    Lines,
    /// One number, now.
    Number,
    /// A bar a series, now.
    Bars,
}

/// One query of a panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// PromQL, with Grafana's `$__rate_interval`.
    pub expr: String,
    /// The name of each line, from its labels.
    pub legend: String,
}

/// A chart or a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// What it shows.
    pub title: String,
    /// What to read from it.
    pub description: String,
    /// How it looks.
    pub view: View,
    /// Grafana's name of the unit.
    pub unit: &'static str,
    /// What it asks.
    pub queries: Vec<Query>,
    /// What must happen before it has data.
    pub needs: Option<Need>,
    /// Where its colour changes: from green to yellow to red, upwards; downwards where the second is the smaller one.
    pub thresholds: Option<(f64, f64)>,
    /// Path of a runbook in the repository.
    pub runbook: Option<String>,
    /// Of 24 columns.
    pub width: u32,
}

/// A row of panels with a title.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// The row's title.
    pub title: String,
    /// Its panels.
    pub panels: Vec<Panel>,
}

/// Stands for the role in the templates.
const JOB: &str = "JOB";

impl Panel {
    /// Lines, a third of the screen wide.
    pub(super) fn lines(title: &str, unit: &'static str) -> Self {
        Self {
            title: title.to_owned(),
            description: String::new(),
            view: View::Lines,
            unit,
            queries: Vec::new(),
            needs: None,
            thresholds: None,
            runbook: None,
            width: 8,
        }
    }

    /// Adds a query.
    pub(super) fn ask(mut self, expr: impl Into<String>, legend: impl Into<String>) -> Self {
        self.queries.push(Query {
            expr: expr.into(),
            legend: legend.into(),
        });
        self
    }

    pub(super) fn told(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    pub(super) fn shown_as(mut self, view: View, width: u32) -> Self {
        (self.view, self.width) = (view, width);
        self
    }

    pub(super) fn coloured(mut self, yellow: f64, red: f64) -> Self {
        self.thresholds = Some((yellow, red));
        self
    }

    /// The panel for a role, with those queries that the role can answer; nothing where that is none.
    pub(super) fn of_role(&self, role: &str, emitted: &[&Emitted]) -> Option<Self> {
        let answered = |name: &String| is_derived(name) || emitted.iter().any(|metric| metric.answers(name));
        let mut panel = self.clone();
        panel
            .queries
            .retain(|query| metric_names(&query.expr).iter().all(answered));
        for query in &mut panel.queries {
            query.expr = query.expr.replace(JOB, role);
        }
        (!panel.queries.is_empty()).then(|| panel.with_needs(role))
    }

    /// Notes what its metrics wait for. A panel with one query that answers without any of that needs nothing.
    pub(super) fn with_needs(mut self, role: &str) -> Self {
        let waits = |query: &Query| {
            metric_names(&query.expr)
                .iter()
                .find_map(|name| needs(role, name))
        };
        let all: Vec<_> = self.queries.iter().map(waits).collect();
        if self.needs.is_none() && all.iter().all(Option::is_some) {
            self.needs = all.into_iter().flatten().next();
        }
        self
    }
}

impl Section {
    pub(super) fn new(title: &str, panels: Vec<Panel>) -> Self {
        Self {
            title: title.to_owned(),
            panels,
        }
    }
}
