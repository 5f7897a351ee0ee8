//! What a person sees where a program reads a problem: what is wrong, and the trace that shows why.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use maud::html;
use pages::{Page, Place, Tone, card, link_button, notice};
use problem::Problem;

/// The page of a request that a role behind this gateway could not answer.
pub(crate) fn page(problem: &Problem, trace_id: &str) -> Response<Body> {
    let body = html! {
        h1 { "Not now" }
        (notice(Tone::Bad, &html! { (problem.detail()) "." }))
        (card("why", "Why", &html! {
            p { "Its trace shows what was tried, and what took how long: " a href=(format!("/ui/console/traces/{trace_id}")) { "trace " (trace_id) } "." }
            p.actions { (link_button("/", "Start")) " " (link_button("/ui/console", "Console")) }
        }))
    };
    let page = Page {
        title: "Not now",
        role: "gateway",
        place: Place::SignIn,
        signed_in: None,
        body,
    };
    pages::page(&page).with_status(problem.status()).into_response()
}
