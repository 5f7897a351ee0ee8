//! What a person sees where a program reads a problem.

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::ACCEPT;
use http::{HeaderMap, StatusCode};
use pages::{Page, Place, Tone, html, link_button, notice};
use problem::Problem;
use server::ShownAs;

use super::HOME;

/// Lets problems of these routes be seen as a page by whoever accepts one: browsers say so, programs do not.
pub(super) async fn shown(request: Request, next: Next) -> Response {
    let a_person_looks = wants_page(request.headers());
    let mut response = next.run(request).await;
    if a_person_looks && response.status().as_u16() >= 400 {
        response.extensions_mut().insert(ShownAs(page));
    }
    response
}

fn wants_page(headers: &HeaderMap) -> bool {
    let accepts_html =
        |value: &http::HeaderValue| value.to_str().is_ok_and(|text| text.contains("text/html"));
    headers.get(ACCEPT).is_some_and(accepts_html)
}

fn page(problem: &Problem, trace_id: &str) -> Response<Body> {
    let title = match problem.status() {
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::FORBIDDEN => "Not allowed",
        status if status.is_server_error() => "Not now",
        _ => "This cannot be done",
    };
    let body = html! {
        h1 { (title) }
        (notice(Tone::Bad, &html! { (super::told(problem)) "." }))
        @if problem.status().is_server_error() {
            p { "Its trace shows what was tried: " a href=(format!("/ui/console/traces/{trace_id}")) { "trace " (trace_id) } "." }
        }
        div.actions { (link_button(HOME, "Accounts and payments")) (link_button("/", "Start")) }
    };
    let page = Page {
        title,
        role: "payment",
        // Who looks is not known here, and need not sign in.
        place: Place::SignIn,
        signed_in: None,
        body,
    };
    ::pages::page(&page).with_status(problem.status()).into_response()
}
