//! Traces, searched by a form and listed page by page.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use pages::{Field, Input, Markup, card, checkbox, field, html, link_button};
use serde::Deserialize;
use server::Query;
use url::form_urlencoded;

use super::trace_list::trace_list;
use super::{HOME, SignedIn, back, see_other, trace_address};
use crate::http::App;
use crate::model::{StatusFilter, TraceQuery};
use crate::parse_trace_id;

/// Nothing anybody types is longer.
const TEXT_MAX: usize = 200;

/// What is looked for, as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    pub(super) service: String,
    pub(super) route: String,
    pub(super) status: String,
    pub(super) min_ms: String,
    pub(super) failed: Option<String>,
    pub(super) slowest: Option<String>,
    pub(super) trace_id: String,
    pub(super) cursor: Option<u64>,
}

/// What cannot be looked for, by the field that says so.
#[derive(Debug, Default, PartialEq)]
struct Faults {
    status: &'static str,
    min_ms: &'static str,
    trace_id: &'static str,
}

impl Wanted {
    /// The list of these, from a cursor on.
    pub(super) fn address(&self, cursor: Option<u64>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in [
            ("service", &self.service),
            ("route", &self.route),
            ("status", &self.status),
            ("min_ms", &self.min_ms),
        ] {
            if !value.trim().is_empty() {
                query.append_pair(name, value.trim());
            }
        }
        for (name, flag) in [("failed", &self.failed), ("slowest", &self.slowest)] {
            if flag.is_some() {
                query.append_pair(name, "yes");
            }
        }
        if let Some(cursor) = cursor {
            query.append_pair("cursor", &cursor.to_string());
        }
        let query = query.finish();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{HOME}/traces{mark}{query}")
    }

    fn query(&self) -> (TraceQuery, Faults) {
        let mut faults = Faults::default();
        let text = |value: &str| Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        let status = text(&self.status).and_then(|typed| {
            let parsed = status(&typed);
            if parsed.is_none() {
                faults.status = "A status such as 404, or a class such as 5xx.";
            }
            parsed
        });
        let duration_min = text(&self.min_ms).and_then(|typed| {
            let parsed = typed.parse().ok().map(Duration::from_millis);
            if parsed.is_none() {
                faults.min_ms = "A whole number of milliseconds.";
            }
            parsed
        });
        let query = TraceQuery {
            service: text(&self.service),
            route: text(&self.route),
            status,
            failed: self.failed.is_some(),
            duration_min,
            before: self.cursor,
            slowest_first: self.slowest.is_some(),
            ..TraceQuery::default()
        };
        (query, faults)
    }

    /// Whether nothing in particular is looked for.
    fn is_all(&self) -> bool {
        let plain = Self {
            cursor: self.cursor,
            ..Self::default()
        };
        *self == plain
    }
}

/// `404`, or `5xx` for all of that class.
fn status(typed: &str) -> Option<StatusFilter> {
    let lower = typed.to_ascii_lowercase();
    if let Some(class) = lower.strip_suffix("xx") {
        let class: u16 = class.parse().ok()?;
        return (1..=5).contains(&class).then_some(StatusFilter::Class(class));
    }
    let status: u16 = lower.parse().ok()?;
    (100..=599).contains(&status).then_some(StatusFilter::Is(status))
}

pub(super) async fn show(State(app): State<App>, who: SignedIn, Query(wanted): Query<Wanted>) -> Response {
    let typed = wanted.trace_id.trim();
    if parse_trace_id(typed).is_some() {
        return see_other(&trace_address(typed));
    }
    let (query, mut faults) = wanted.query();
    if !typed.is_empty() {
        faults.trace_id = "A trace id has 32 hexadecimal digits, as in traceparent or in an error answer.";
    }
    let is_refused = faults != Faults::default();
    let names: Vec<String> = app
        .console
        .services()
        .into_iter()
        .map(|service| service.name)
        .collect();
    let found = if is_refused {
        None
    } else {
        Some(app.console.traces(&query))
    };
    let body = html! {
        (back())
        h1 { "Traces" }
        (card("find", "Find them", &html! { (search(&wanted, &faults, &names)) (by_id(typed, faults.trace_id)) }))
        @if let Some(found) = found {
            (card("found", if wanted.is_all() { "All of them" } else { "Found" }, &html! {
                (trace_list("Traces", &found.traces, nothing(&wanted)))
                div.pager {
                    @if wanted.cursor.is_some() { (link_button(&wanted.address(None), "Newest")) }
                    @if let Some(next) = found.next { (link_button(&wanted.address(Some(next)), "Older")) }
                }
            }))
        }
    };
    let status = if is_refused {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    who.page("Traces", body).with_status(status).into_response()
}

fn nothing(wanted: &Wanted) -> &'static str {
    match (wanted.cursor.is_some(), wanted.is_all()) {
        (true, _) => "No older ones.",
        (false, true) => "No trace has come yet.",
        (false, false) => "No trace that is here is like that.",
    }
}

fn search(wanted: &Wanted, faults: &Faults, services: &[String]) -> Markup {
    let text = |label, name, input, value, error, hint| {
        field(&Field {
            label,
            name,
            input,
            value,
            error,
            hint,
            length_max: TEXT_MAX,
            ..Field::default()
        })
    };
    let listed = wanted.service.is_empty() || services.contains(&wanted.service);
    html! {
        form method="get" action=(format!("{HOME}/traces")) role="search" {
            div.columns.tight {
                div.field {
                    label for="service" { "Service" }
                    select id="service" name="service" {
                        option value="" { "any" }
                        @if !listed { option value=(wanted.service) selected { (wanted.service) } }
                        @for name in services { option value=(name) selected[*name == wanted.service] { (name) } }
                    }
                }
                (text("Route", "route", Input::Text, wanted.route.as_str(), "", "GET /{code}"))
                (text("Status", "status", Input::Text, wanted.status.as_str(), faults.status, "404, 5xx"))
                (text("At least, ms", "min_ms", Input::Text, wanted.min_ms.as_str(), faults.min_ms, ""))
            }
            div.search {
                (checkbox("Only failed", "failed", "yes", wanted.failed.is_some()))
                (checkbox("Slowest first", "slowest", "yes", wanted.slowest.is_some()))
                button type="submit" { "Find" }
                @if !wanted.is_all() { a href=(format!("{HOME}/traces")) { "All traces" } }
            }
        }
    }
}

/// The form that opens a trace by its id.
pub(super) fn by_id(typed: &str, error: &str) -> Markup {
    html! {
        form.search method="get" action=(format!("{HOME}/traces")) {
            (field(&Field {
                label: "Trace id",
                name: "trace_id",
                value: typed,
                error,
                required: true,
                length_max: TEXT_MAX,
                ..Field::default()
            }))
            button.quiet type="submit" { "Open" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_number_or_a_class() {
        assert_eq!(status("404"), Some(StatusFilter::Is(404)));
        assert_eq!(status("5xx"), Some(StatusFilter::Class(5)));
        assert_eq!(status("5XX"), Some(StatusFilter::Class(5)));
        for wrong in ["", "99", "600", "9xx", "0xx", "xx", "abc", "-5xx", "404 "] {
            assert_eq!(status(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn an_address_finds_what_was_typed_again() {
        let wanted = Wanted {
            service: "a b&c".to_owned(),
            status: " 5xx ".to_owned(),
            failed: Some("yes".to_owned()),
            ..Wanted::default()
        };
        assert_eq!(
            wanted.address(Some(7)),
            "/ui/console/traces?service=a+b%26c&status=5xx&failed=yes&cursor=7"
        );
        assert_eq!(Wanted::default().address(None), "/ui/console/traces");
    }

    #[test]
    fn what_was_mistyped_is_said_where_it_was_typed() {
        let wanted = Wanted {
            status: "teapot".to_owned(),
            min_ms: "1.5".to_owned(),
            ..Wanted::default()
        };
        let (query, faults) = wanted.query();
        assert!(!faults.status.is_empty() && !faults.min_ms.is_empty() && faults.trace_id.is_empty());
        assert_eq!((query.status, query.duration_min), (None, None));
    }
}
