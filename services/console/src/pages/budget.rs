//! Objectives in words: how they stand, what is left of their budgets and how fast it burns.

use pages::{Column, Markup, Tone, badge, empty, html, meter, table};

use super::objective_address;
use super::words::{self, burn, percent, target, window};
use crate::model::{ObjectiveState, ObjectiveView, WindowView};

/// A mark and a few words.
pub(super) fn state(state: ObjectiveState) -> Markup {
    let (tone, text) = match state {
        ObjectiveState::Page => (Tone::Bad, "burning: page"),
        ObjectiveState::Ticket => (Tone::Bad, "burning: ticket"),
        ObjectiveState::Overspent => (Tone::Bad, "overspent"),
        ObjectiveState::Healthy => (Tone::Good, "kept"),
        ObjectiveState::NoData => (Tone::Plain, "no requests yet"),
    };
    badge(tone, text)
}

/// Whether somebody should look.
pub(super) fn is_red(state: ObjectiveState) -> bool {
    matches!(
        state,
        ObjectiveState::Page | ObjectiveState::Ticket | ObjectiveState::Overspent
    )
}

/// What is left of the budget, as a number and a bar.
pub(super) fn left(budget_left: Option<f64>) -> Markup {
    let Some(left) = budget_left else {
        return html! { (words::NONE) };
    };
    let tone = if left < 0.1 { Tone::Bad } else { Tone::Good };
    let told = if left < 0.0 {
        format!("overspent by {}", percent(-left))
    } else {
        format!("{} left", percent(left))
    };
    html! { (told) (meter(left, tone, &told)) }
}

/// One sentence about all of them.
pub(super) fn headline(objectives: &[ObjectiveView]) -> Markup {
    let red = objectives
        .iter()
        .filter(|objective| is_red(objective.state))
        .count();
    let seen = objectives
        .iter()
        .any(|objective| objective.state != ObjectiveState::NoData);
    html! {
        p.headline {
            @match (red, seen) {
                (0, true) => (badge(Tone::Good, "Every objective that anybody asked something of is kept.")),
                (0, false) => (badge(Tone::Plain, "No objective has been asked anything yet.")),
                (1, _) => (badge(Tone::Bad, "One objective is in trouble.")),
                (red, _) => (badge(Tone::Bad, &format!("{red} objectives are in trouble."))),
            }
        }
    }
}

/// The objectives as a table, in the order that they come in: the worst first.
pub(super) fn list(objectives: &[ObjectiveView]) -> Markup {
    let Some(first) = objectives.first() else {
        return empty("No service here has objectives.");
    };
    let windows: Vec<String> = first.windows.iter().map(pair).collect();
    let mut columns = vec![
        Column {
            name: "Objective",
            number: false,
        },
        Column {
            name: "State",
            number: false,
        },
        Column {
            name: "Budget",
            number: false,
        },
    ];
    columns.extend(windows.iter().map(|name| Column { name, number: true }));
    let rows: Vec<Vec<Markup>> = objectives.iter().map(row).collect();
    html! {
        (table("Objectives, the worst first", &columns, &rows))
        p.hint {
            "A burn rate of 1× spends the budget exactly by the end of " (window(first.window_s)) "; each column is a pair of windows, and an alert fires when "
            "both are above its threshold."
            (divided(first.window_divisor))
        }
    }
}

/// What is to be known of windows that are not the true ones.
pub(super) fn divided(divisor: u32) -> Markup {
    html! { @if divisor > 1 { " All windows are divided by " (divisor) " (console.slo_scale)." } }
}

fn row(objective: &ObjectiveView) -> Vec<Markup> {
    let mut cells = vec![
        html! { a href=(objective_address(&objective.name)) { (objective.title) } p.hint { (objective.service) ", " (target(objective.target)) } },
        state(objective.state),
        left(objective.budget_left),
    ];
    cells.extend(objective.windows.iter().map(burns));
    cells
}

/// How a pair of windows is called: the long one before the short one.
fn pair(of: &WindowView) -> String {
    format!("{} / {}", window(of.long_s), window(of.short_s))
}

fn burns(of: &WindowView) -> Markup {
    let text = format!("{} / {}", burn(of.long_burn), burn(of.short_burn));
    html! { @if of.burning { span.burning { (text) } } @else { (text) } }
}

/// The windows of one objective against their thresholds.
pub(super) fn windows(objective: &ObjectiveView) -> Markup {
    let columns = [
        ("Windows", false),
        ("Threshold", true),
        ("Long", true),
        ("Short", true),
        ("Alert", false),
        ("State", false),
    ]
    .map(|(name, number)| Column { name, number });
    let one = |of: &WindowView| {
        let above = |rate: Option<f64>| rate.is_some_and(|rate| rate > of.threshold);
        let cell =
            |rate: Option<f64>| html! { span class=[above(rate).then_some("burning")] { (burn(rate)) } };
        vec![
            html! { (pair(of)) },
            html! { (burn(Some(of.threshold))) },
            cell(of.long_burn),
            cell(of.short_burn),
            html! { (of.severity) },
            if of.burning {
                badge(Tone::Bad, "burning")
            } else {
                badge(Tone::Good, "quiet")
            },
        ]
    };
    let rows: Vec<Vec<Markup>> = objective.windows.iter().map(one).collect();
    table(
        "Burn rates by windows, with the thresholds of the alerts",
        &columns,
        &rows,
    )
}
