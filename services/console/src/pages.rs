//! `/ui/console`: what runs, how well, and why not: from an objective in trouble to the span that is to blame, by links alone.

mod budget;
mod live;
mod objective;
mod overview;
mod red;
mod service;
mod trace;
mod trace_list;
mod traces;
mod words;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::LOCATION;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use identity::{CONSOLE_READ, Principal};
use pages::{Html, Markup, Page, Place, Script, Tone, badge, html, page, script};
use problem::Problem;
use server::Authenticated;
use url::form_urlencoded;

use crate::http::App;

pub(crate) use live::LiveParts;

const ROLE: &str = "console";
const HOME: &str = "/ui/console";
/// Where people sign in; leads back here.
const SIGN_IN: &str = "/ui/login?return_to=/ui/console";

/// All routes of the pages.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route(HOME, get(overview::show))
        .route("/ui/console/live", get(overview::live))
        .route("/ui/console/services/{service}", get(service::show))
        .route("/ui/console/services/{service}/live", get(service::live))
        .route("/ui/console/objectives/{objective}", get(objective::show))
        .route("/ui/console/objectives/{objective}/live", get(objective::live))
        .route("/ui/console/traces", get(traces::show))
        .route("/ui/console/traces/{trace_id}", get(trace::show))
        .route("/ui/console/traces/{trace_id}/live", get(trace::live))
        .merge(::pages::assets_router(ROLE))
        .with_state(app)
}

/// Who looks at the page; whoever has no good token is sent to sign in.
struct SignedIn(Principal);

impl FromRequestParts<App> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        match Authenticated::from_request_parts(parts, app).await {
            Ok(who) => match who.require(CONSOLE_READ) {
                Ok(()) => Ok(Self(who.0)),
                Err(problem) => Err(problem.into_response()),
            },
            Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => Err(see_other(SIGN_IN)),
            Err(problem) => Err(problem.into_response()),
        }
    }
}

impl SignedIn {
    /// Who it is, as pages show it.
    fn shown(&self) -> ::pages::SignedIn<'_> {
        ::pages::SignedIn {
            tenant: self.0.tenant.as_str(),
            user: self.0.user.as_str(),
        }
    }

    /// A page of the console.
    fn page(&self, title: &str, body: Markup) -> Html {
        page(&Page {
            title,
            role: ROLE,
            place: Place::Console,
            signed_in: Some(self.shown()),
            body,
        })
        .with_scripts()
    }
}

/// A part of a page: the id of its place, and what stands there.
struct Part {
    id: &'static str,
    markup: Markup,
}

/// Parts in their places, kept up to date from `address`.
fn kept_live(address: &str, parts: Vec<Part>) -> Markup {
    html! {
        div data-live=(address) {
            p.live data-live-state hidden { (badge(Tone::Good, "live")) }
            @for part in parts { div id=(part.id) { (part.markup) } }
        }
        (script(ROLE, Script::Live))
    }
}

/// The way up to the overview.
fn back() -> Markup {
    html! { p.back { a href=(HOME) { "Console" } } }
}

/// A text as one segment of a path.
fn segment(text: &str) -> String {
    let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    encoded.replace('+', "%20")
}

fn service_address(service: &str) -> String {
    format!("{HOME}/services/{}", segment(service))
}

fn objective_address(objective: &str) -> String {
    format!("{HOME}/objectives/{}", segment(objective))
}

fn trace_address(trace_id: &str) -> String {
    format!("{HOME}/traces/{}", segment(trace_id))
}

/// A page that says what is not there, and where to go.
fn missing(who: &SignedIn, title: &str, why: &Markup) -> Html {
    let body = html! { (back()) h1 { (title) } (why) };
    who.page(title, body).with_status(StatusCode::NOT_FOUND)
}

/// 303: look there with `GET`.
fn see_other(place: &str) -> Response {
    match HeaderValue::try_from(place) {
        Ok(place) => (StatusCode::SEE_OTHER, [(LOCATION, place)]).into_response(),
        Err(error) => Problem::internal(error).into_response(),
    }
}
