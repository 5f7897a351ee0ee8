//! One objective: its budget, how fast it burns, which alert that is, and the traces that spent it.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use pages::{Chart, ChartKind, Markup, Series, Tone, badge, card, chart, html};
use problem::Problem;
use server::Path;

use super::live::stream_of;
use super::trace_list::trace_list;
use super::words::{clock, target, window};
use super::{Part, SignedIn, back, budget, kept_live, missing, objective_address, service_address};
use crate::http::App;
use crate::model::{ObjectivePoint, ObjectiveView, TraceQuery};

/// Traces in each list.
const TRACES: usize = 10;
/// Points of a chart; of more, every so many-th is drawn.
const POINTS_MAX: usize = 90;

pub(super) async fn show(State(app): State<App>, who: SignedIn, Path(name): Path<String>) -> Response {
    let Some(objective) = app.console.objective(&name) else {
        let why = html! { p { "No service here promises " code { (name) } "." } };
        return missing(&who, "No such objective", &why).into_response();
    };
    let live = format!("{}/live", objective_address(&name));
    let body = html! {
        (back())
        h1 { (objective.title) }
        p.lead { (objective.description) }
        (kept_live(&live, parts(&app, &objective)))
    };
    who.page(&objective.title, body).into_response()
}

pub(super) async fn live(
    State(app): State<App>,
    _who: SignedIn,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    stream_of(&app, move |app| {
        let objective = app.console.objective(&name);
        objective
            .map(|objective| parts(app, &objective))
            .unwrap_or_default()
    })
}

fn parts(app: &App, objective: &ObjectiveView) -> Vec<Part> {
    vec![
        Part {
            id: "standing",
            markup: card("budget", "Its budget", &standing(objective)),
        },
        Part {
            id: "traces",
            markup: card("spent-by", "Traces that spent it", &traces(app, objective)),
        },
        Part {
            id: "rates",
            markup: card("burn", "How fast it burns", &burn(objective)),
        },
    ]
}

fn standing(objective: &ObjectiveView) -> Markup {
    let firing = objective.alerts.iter().filter(|alert| alert.firing);
    let firing: Vec<_> = firing
        .map(|alert| format!("{} ({})", alert.name, alert.severity))
        .collect();
    html! {
        dl {
            dt { "State" } dd { (budget::state(objective.state)) }
            dt { "Target" } dd { (target(objective.target)) " of requests over " (window(objective.window_s)) (budget::divided(objective.window_divisor)) }
            dt { "Budget" } dd { (budget::left(objective.budget_left)) }
            dt { "Service" } dd { a href=(service_address(&objective.service)) { (objective.service) } }
            dt { "Alerts" } dd {
                @if firing.is_empty() { (badge(Tone::Good, "none fires")) } @else { (badge(Tone::Bad, &firing.join(", "))) }
            }
            dt { "What to do" } dd { code { (objective.runbook) } " in the repository" }
        }
    }
}

fn burn(objective: &ObjectiveView) -> Markup {
    let history = &objective.history;
    let step = history.len().div_ceil(POINTS_MAX).max(1);
    // From the end, so that the latest point is always there.
    let mut points: Vec<&ObjectivePoint> = history.iter().rev().step_by(step).collect();
    points.reverse();
    let labels: Vec<String> = points.iter().map(|point| clock(point.at_unix_ms)).collect();
    let rates = objective.windows.iter().enumerate().map(|(i, of)| {
        let rate = |point: &&ObjectivePoint| point.long_burns.get(i).copied().flatten().unwrap_or(f64::NAN);
        Series::new(window(of.long_s), points.iter().map(rate).collect::<Vec<f64>>())
    });
    // A chart begins at 0: what is overspent stands on the ground there, and in words above.
    let left = |point: &&ObjectivePoint| point.budget_left.map_or(f64::NAN, |left| left.max(0.0) * 100.0);
    let lines = |title: &str, unit: &str, series: Vec<Series>| {
        chart(&Chart {
            title: title.to_owned(),
            unit: unit.to_owned(),
            labels: labels.clone(),
            series,
            kind: ChartKind::Lines,
            ..Chart::default()
        })
    };
    html! {
        (budget::windows(objective))
        (lines("Burn rates over the long windows", "times the budget (UTC)", rates.collect()))
        (lines("Budget left", "% (UTC)", vec![Series::new("left", points.iter().map(left).collect::<Vec<f64>>())]))
    }
}

/// Those whose requests counted against it; where none is known, what failed and what was slow at its service.
fn traces(app: &App, objective: &ObjectiveView) -> Markup {
    let spent = app.console.burned_by(&objective.name, TRACES);
    let of_service = TraceQuery {
        service: Some(objective.service.clone()),
        limit: TRACES / 2,
        ..TraceQuery::default()
    };
    html! {
        @if spent.is_empty() {
            p.hint { "None of the traces that are here has a request that spent this budget." }
            h3 { "Slowest of " (objective.service) }
            @let slowest = TraceQuery { slowest_first: true, ..of_service };
            (trace_list("Slowest traces of the service", &app.console.traces(&slowest).traces, "No trace of it is here."))
        } @else {
            (trace_list("Traces that spent the budget, slowest first", &spent, ""))
        }
    }
}
