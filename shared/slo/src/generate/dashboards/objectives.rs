//! The row of a service's objectives: what is left of each budget, and how fast it burns.

use super::panel::{Panel, Section, View};
use crate::{Objective, ServiceObjectives};

/// Three panels an objective, each with a link to its runbook.
pub(super) fn section(service: &ServiceObjectives) -> Section {
    Section::new("Objectives", service.objectives.iter().flat_map(panels).collect())
}

fn panels(objective: &Objective) -> [Panel; 3] {
    let of = format!("objective=\"{}\"", objective.name);
    let budget = budget(objective);
    let percent = plain(objective.target * 100.0);
    let runbook = Some(runbook(objective));
    let mut left = Panel::lines(&format!("{}: budget left", objective.title), "percentunit")
        .told(format!("{} Promised: {percent} %.", objective.description))
        .shown_as(View::Number, 4)
        .coloured(0.5, 0.2)
        .ask(format!("slo:error_budget:remaining{{{of}}}"), "");
    let mut now = Panel::lines(&format!("{}: burn rate now", objective.title), "short")
        .told("Over 5 minutes. 1 spends the budget in exactly its window.")
        .shown_as(View::Number, 4)
        .coloured(6.0, 14.4)
        .ask(format!("slo:sli_error:ratio_rate5m{{{of}}} / {budget}"), "");
    let over = |panel: Panel, window: &str| {
        panel.ask(
            format!("slo:sli_error:ratio_rate{window}{{{of}}} / {budget}"),
            window.to_owned(),
        )
    };
    let lines = Panel::lines(&format!("{}: burn rate", objective.title), "short")
        .told("A page above 14.4 over 1 h and 5 m or 6 over 6 h and 30 m; a ticket above 3 over 1 d and 2 h or 1 over 3 d and 6 h.")
        .shown_as(View::Lines, 16)
        .coloured(6.0, 14.4);
    let mut lines = ["5m", "30m", "1h", "6h", "1d", "3d"]
        .into_iter()
        .fold(lines, over);
    for panel in [&mut left, &mut now, &mut lines] {
        panel.runbook.clone_from(&runbook);
    }
    [left, now, lines]
}

/// Where the runbook of an objective stands in the repository.
pub(super) fn runbook(objective: &Objective) -> String {
    format!("docs/runbooks/{}.md", objective.name)
}

/// The share that may be bad, as a person would write it.
fn budget(objective: &Objective) -> String {
    plain(objective.budget())
}

/// Without the noise that 1 - 0.9995 has in its last digits.
fn plain(number: f64) -> String {
    let text = format!("{number:.9}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
