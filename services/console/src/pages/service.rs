//! One service: its requests, errors and durations, whole or one route, its objectives, and traces worth a look.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use pages::Tone;
use pages::{Column, Markup, badge, card, empty, html, table};
use problem::Problem;
use serde::Deserialize;
use server::{Path, Query};

use super::live::stream_of;
use super::red::{REACHES, Reach, cells, charts, source};
use super::trace_list::trace_list;
use super::traces::Wanted;
use super::{Part, SignedIn, back, budget, kept_live, missing, service_address};
use crate::http::App;
use crate::model::{RouteView, ServiceView, TraceQuery};

/// Traces in each of the two lists.
const TRACES: usize = 6;

/// What the page's address says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ShowQuery {
    period: Option<String>,
    route: Option<String>,
}

/// What is shown of which service.
#[derive(Clone)]
struct View {
    service: String,
    reach: Reach,
    /// Only this route.
    route: Option<String>,
}

impl View {
    fn of(service: String, query: ShowQuery) -> Self {
        Self {
            service,
            reach: Reach::named(query.period.as_deref()),
            route: query.route.filter(|route| !route.is_empty()),
        }
    }

    /// The address of the same with another reach or route.
    fn address(&self, path: &str, reach: Reach, route: Option<&str>) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if reach != Reach::default() {
            query.append_pair("period", reach.word());
        }
        if let Some(route) = route {
            query.append_pair("route", route);
        }
        let (base, query) = (service_address(&self.service), query.finish());
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{base}{path}{mark}{query}")
    }
}

pub(super) async fn show(
    State(app): State<App>,
    who: SignedIn,
    Path(service): Path<String>,
    Query(query): Query<ShowQuery>,
) -> Response {
    let view = View::of(service, query);
    if app.console.service(&view.service).is_none() {
        let why = html! { p { "The console has heard nothing of a service " code { (view.service) } ": neither spans nor metrics have come from it." } };
        return missing(&who, "No such service", &why).into_response();
    }
    let live = view.address("/live", view.reach, view.route.as_deref());
    let body = html! {
        (back())
        h1 { (view.service) }
        (kept_live(&live, parts(&app, &view)))
    };
    who.page(&view.service, body).into_response()
}

pub(super) async fn live(
    State(app): State<App>,
    _who: SignedIn,
    Path(service): Path<String>,
    Query(query): Query<ShowQuery>,
) -> Result<Response, Problem> {
    let view = View::of(service, query);
    stream_of(&app, move |app| parts(app, &view))
}

fn parts(app: &App, view: &View) -> Vec<Part> {
    let Some(service) = app.console.service(&view.service) else {
        return Vec::new();
    };
    let objectives: Vec<_> = app
        .console
        .objectives()
        .into_iter()
        .filter(|objective| objective.service == view.service)
        .collect();
    let mut parts = vec![Part {
        id: "red",
        markup: card("requests", "Requests", &requests(&service, view)),
    }];
    if view.route.is_none() {
        parts.push(Part {
            id: "routes",
            markup: card("route-list", "Routes", &routes(&service, view)),
        });
    }
    if !objectives.is_empty() && view.route.is_none() {
        parts.push(Part {
            id: "slos",
            markup: card("objectives", "Objectives", &budget::list(&objectives)),
        });
    }
    parts.push(Part {
        id: "traces",
        markup: card("trace-list", "Traces worth a look", &traces(app, view)),
    });
    parts
}

fn requests(service: &ServiceView, view: &View) -> Markup {
    let series = match &view.route {
        None => Some(&service.summary.series),
        Some(wanted) => service
            .routes
            .iter()
            .find(|route| route.route == *wanted)
            .map(|route| &route.series),
    };
    html! {
        @if let Some(route) = &view.route {
            p.headline { (badge(Tone::Plain, route)) " " a href=(view.address("", view.reach, None)) { "All routes" } }
        }
        nav.periods aria-label="Period" {
            ul {
                @for (reach, _, name) in REACHES {
                    li { a href=(view.address("", reach, view.route.as_deref())) aria-current=[(reach == view.reach).then_some("true")] { (name) } }
                }
            }
        }
        @match series {
            Some(series) => (charts(series, view.reach)),
            None => (empty("Nobody asked for this route lately.")),
        }
        p.hint { (source(service.summary.source)) "." }
    }
}

fn routes(service: &ServiceView, view: &View) -> Markup {
    if service.routes.is_empty() {
        return empty("No route has been asked for yet.");
    }
    let columns = [
        ("Route", false),
        ("Requests", true),
        ("Errors", true),
        ("p50 · p95 · p99", true),
    ]
    .map(|(name, number)| Column { name, number });
    let row = |route: &RouteView| {
        let [requests, errors, durations] = cells(&route.route, &route.load, &route.series);
        let name = html! { a href=(view.address("", view.reach, Some(&route.route))) { (route.route) } };
        vec![name, requests, errors, durations]
    };
    let rows: Vec<Vec<Markup>> = service.routes.iter().map(row).collect();
    table("Routes, the busiest first", &columns, &rows)
}

fn traces(app: &App, view: &View) -> Markup {
    let query = TraceQuery {
        service: Some(view.service.clone()),
        route: view.route.clone(),
        limit: TRACES,
        ..TraceQuery::default()
    };
    let failed = app.console.traces(&TraceQuery {
        failed: true,
        ..query.clone()
    });
    let slowest = app.console.traces(&TraceQuery {
        slowest_first: true,
        ..query
    });
    let wanted = Wanted {
        service: view.service.clone(),
        route: view.route.clone().unwrap_or_default(),
        ..Wanted::default()
    };
    html! {
        h3 { "Latest that failed" }
        (trace_list("Latest traces that failed", &failed.traces, "None that is here failed."))
        h3 { "Slowest" }
        (trace_list("Slowest traces", &slowest.traces, "No trace of it is here."))
        p { a href=(wanted.address(None)) { "All traces of " (view.service) } }
    }
}
