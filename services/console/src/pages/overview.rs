//! The first page: what calls what, which objectives are in trouble, how each service does.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use pages::{Column, Edge, Graph, Markup, Node, Tone, card, empty, graph, html, notice, number, table};
use problem::Problem;

use super::live::stream_of;
use super::red::{cells, float};
use super::traces::by_id;
use super::words::{self, count, millis_if, percent, rate};
use super::{HOME, Part, SignedIn, budget, kept_live, service_address};
use crate::http::App;
use crate::model::{Holdings, MapEdge, MapNode, NodeKind, ServiceMap, ServiceSummary};

/// Above this share of failures a box or an arrow is red.
const BAD_SHARE: f64 = 0.01;

pub(super) async fn show(State(app): State<App>, who: SignedIn) -> Response {
    let body = html! {
        h1 { "Console" }
        (kept_live("/ui/console/live", parts(&app)))
        (card("find", "Find a trace", &by_id("", "")))
    };
    who.page("Console", body).into_response()
}

pub(super) async fn live(State(app): State<App>, _who: SignedIn) -> Result<Response, Problem> {
    stream_of(&app, parts)
}

fn parts(app: &App) -> Vec<Part> {
    let (objectives, console) = (app.console.objectives(), &app.console);
    vec![
        Part {
            id: "state",
            markup: budget::headline(&objectives),
        },
        Part {
            id: "map",
            markup: card("service-map", "Who calls whom", &map(&console.map())),
        },
        Part {
            id: "slos",
            markup: card("objectives", "Objectives", &budget::list(&objectives)),
        },
        Part {
            id: "services",
            markup: card("service-list", "Services", &services(&console.services())),
        },
        Part {
            id: "held",
            markup: held(&console.holdings()),
        },
    ]
}

fn is_bad(share: Option<f64>) -> bool {
    share.is_some_and(|share| share >= BAD_SHARE)
}

/// The map as a drawing, and as tables.
fn map(map: &ServiceMap) -> Markup {
    if map.nodes.is_empty() {
        return empty(
            "No spans have come yet. Open a page of the platform, or send some to /v1/traces (OTLP).",
        );
    }
    html! {
        (graph(&drawing(map)))
        details.values id="map-table" {
            summary { "As a table" }
            div.inside { (calls(map)) }
        }
        p.hint {
            "The last " (words::window(float(map.window_s))) ". Round boxes are engines and peers, seen by who calls them; an arrow is as wide as its traffic, red and dashed "
            "where " (percent(BAD_SHARE)) " fail or more."
        }
    }
}

fn drawing(map: &ServiceMap) -> Graph {
    let most = map
        .edges
        .iter()
        .map(|edge| edge.load.requests_per_s)
        .fold(0.0, f64::max);
    let index = |id: &str| map.nodes.iter().position(|node| node.id == id);
    let edges = map.edges.iter().filter_map(|edge| {
        let (from, to) = (index(&edge.from)?, index(&edge.to)?);
        let bad = is_bad(edge.load.error_share);
        Some(Edge {
            from,
            to,
            weight: if most > 0.0 {
                edge.load.requests_per_s / most
            } else {
                0.0
            },
            bad,
            told: told(map, edge),
            label: edge
                .load
                .error_share
                .filter(|_| bad)
                .map(|share| format!("{} fail", percent(share)))
                .unwrap_or_default(),
        })
    });
    let services = map
        .nodes
        .iter()
        .filter(|node| node.kind == NodeKind::Service)
        .count();
    Graph {
        title: format!(
            "Service map: {}, {}, {}",
            count(services, "service"),
            count(map.nodes.len() - services, "other node"),
            count(map.edges.len(), "connection")
        ),
        nodes: map.nodes.iter().map(node).collect(),
        edges: edges.collect(),
    }
}

fn node(shown: &MapNode) -> Node {
    let bad = is_bad(shown.load.error_share);
    let note = match shown.load.error_share.filter(|_| bad) {
        Some(share) => format!("{}, {} fail", rate(shown.load.requests_per_s), percent(share)),
        None => format!(
            "{}, p95 {}",
            rate(shown.load.requests_per_s),
            millis_if(shown.load.p95_ms)
        ),
    };
    let service = shown.kind == NodeKind::Service;
    Node {
        name: shown.name.clone(),
        note,
        kind: if service {
            pages::NodeKind::Service
        } else {
            pages::NodeKind::Engine
        },
        href: service.then(|| service_address(&shown.id)),
        bad,
    }
}

fn named<'a>(map: &'a ServiceMap, id: &'a str) -> &'a str {
    map.nodes
        .iter()
        .find(|node| node.id == id)
        .map_or(id, |node| &node.name)
}

fn told(map: &ServiceMap, edge: &MapEdge) -> String {
    let failing = edge.load.error_share.unwrap_or(0.0);
    format!(
        "{} to {}: {}, {} fail, p95 {}",
        named(map, &edge.from),
        named(map, &edge.to),
        rate(edge.load.requests_per_s),
        percent(failing),
        millis_if(edge.load.p95_ms)
    )
}

/// The connections as a table, with links to services that the drawing has too.
fn calls(map: &ServiceMap) -> Markup {
    let columns = [
        ("From", false),
        ("To", false),
        ("Calls", true),
        ("Failing", true),
        ("p50", true),
        ("p95", true),
    ]
    .map(|(name, number)| Column { name, number });
    let link = |id: &str| {
        let service = map
            .nodes
            .iter()
            .any(|node| node.id == id && node.kind == NodeKind::Service);
        html! { @if service { a href=(service_address(id)) { (named(map, id)) } } @else { (named(map, id)) } }
    };
    let row = |edge: &MapEdge| {
        vec![
            link(&edge.from),
            link(&edge.to),
            html! { (rate(edge.load.requests_per_s)) },
            html! { (edge.load.error_share.map_or_else(|| words::NONE.to_owned(), percent)) },
            html! { (millis_if(edge.load.p50_ms)) },
            html! { (millis_if(edge.load.p95_ms)) },
        ]
    };
    let rows: Vec<Vec<Markup>> = map.edges.iter().map(row).collect();
    if rows.is_empty() {
        return empty("Nobody calls anybody yet.");
    }
    table("Who calls whom", &columns, &rows)
}

fn services(services: &[ServiceSummary]) -> Markup {
    if services.is_empty() {
        return empty("No service has been heard of yet.");
    }
    let columns = [
        ("Service", false),
        ("Requests", true),
        ("Errors", true),
        ("p50 · p95 · p99", true),
    ]
    .map(|(name, number)| Column { name, number });
    let row = |service: &ServiceSummary| {
        let [requests, errors, durations] = cells(&service.name, &service.load, &service.series);
        let name = html! { a href=(service_address(&service.name)) { (service.name) } };
        vec![name, requests, errors, durations]
    };
    let rows: Vec<Vec<Markup>> = services.iter().map(row).collect();
    html! {
        (table("Services, the last five minutes", &columns, &rows))
        p.hint { "Numbers are the last five minutes, lines the last half hour." }
    }
}

fn held(held: &Holdings) -> Markup {
    const MEGABYTE: f64 = 1e6;
    let megabytes = |bytes: usize| number(float(u64::try_from(bytes).unwrap_or(u64::MAX)) / MEGABYTE);
    html! {
        @if held.spans_received == 0 {
            (notice(Tone::Plain, &html! { "No span has come since this console started." }))
        } @else {
            p.hint {
                (count(held.traces, "trace")) " of " (count(held.spans, "span")) " are here, in "
                (megabytes(held.bytes)) " of " (megabytes(held.bytes_max)) " MB. "
                @if held.spans_evicted > 0 { (number(float(held.spans_evicted))) " older spans gave way to them. " }
                a href=(format!("{HOME}/traces")) { "All traces" }
            }
        }
    }
}
