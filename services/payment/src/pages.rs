//! `/ui/payment`: the books, payments and webhooks, with plain forms. Authenticates as the API does: the gateway turns the session cookie
//! into a bearer token, and lets no foreign page send forms. What moves money is asked once more before it is done, under an
//! `Idempotency-Key` that was made with the form: sent twice, it moves once.

mod account;
mod books;
mod breaks;
mod faults;
mod home;
mod money;
mod payments;
mod timeline;
mod transfer;
mod trouble;
mod webhooks;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use http::header::LOCATION;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use idempotency::IdempotencyKey;
use identity::Principal;
use pages::{Html, Markup, Page, Place, Tone, html, notice, page};
use problem::Problem;
use server::Authenticated;

use crate::http::App;
use crate::operations::Asked;

pub(crate) use faults::ProcessorFaults;

/// Where people sign in; leads back here.
const SIGN_IN: &str = "/ui/login?return_to=/ui/payment";
const HOME: &str = "/ui/payment";

/// The pages, as the navigation below the header has them.
const TABS: [(&str, &str); 5] = [
    (HOME, "Accounts"),
    ("/ui/payment/payments", "Payments"),
    ("/ui/payment/books", "Books"),
    ("/ui/payment/webhooks", "Webhooks"),
    (faults::HERE, "Processor"),
];

/// All routes of the pages.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route(HOME, get(home::show))
        .route("/ui/payment/accounts", get(to_accounts).post(home::create))
        .route("/ui/payment/accounts/{id}", get(account::show))
        // Who asks for what a form was answered with, as by a reload, is led to the form.
        .route(
            "/ui/payment/transfers/confirm",
            get(to_accounts).post(transfer::confirm),
        )
        .route("/ui/payment/transfers", get(to_accounts).post(transfer::make))
        .route("/ui/payment/payments", get(payments::list))
        .route("/ui/payment/payments/{id}", get(payments::show))
        .route("/ui/payment/books", get(books::show))
        .route(breaks::HERE, get(breaks::list))
        .route("/ui/payment/books/reconciliation/{day}", get(breaks::show))
        .route("/ui/payment/webhooks", get(webhooks::show).post(webhooks::create))
        .route("/ui/payment/webhooks/{id}/ping", post(webhooks::ping))
        .route("/ui/payment/webhooks/{id}/switch", post(webhooks::switch))
        .route("/ui/payment/webhooks/{id}/secret", post(webhooks::rotate))
        .route("/ui/payment/deliveries/{id}/replay", post(webhooks::replay))
        .route(faults::HERE, get(faults::show).post(faults::set))
        .route("/ui/payment/faults/reset", post(faults::reset))
        .route("/ui/payment/{*path}", any(nowhere))
        .layer(from_fn(trouble::shown))
        .merge(::pages::assets_router("payment"))
        .with_state(app)
}

/// Accounts are listed on the first page.
async fn to_accounts() -> Response {
    see_other(HOME)
}

async fn nowhere() -> Problem {
    Problem::not_found("there is no such page")
}

/// Who looks at the page; whoever has no good token is sent to sign in.
struct SignedIn(Principal);

impl FromRequestParts<App> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        match Authenticated::from_request_parts(parts, app).await {
            Ok(Authenticated(principal)) => Ok(Self(principal)),
            Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => Err(see_other(SIGN_IN)),
            Err(problem) => Err(problem.into_response()),
        }
    }
}

impl SignedIn {
    fn require(&self, scope: &str) -> Result<(), Problem> {
        Authenticated(self.0.clone()).require(scope)
    }

    /// This person asks, under the key of a form.
    fn asks(&self, key: &str) -> Result<Asked, Problem> {
        Ok(Asked {
            principal: self.0.clone(),
            key: Some(IdempotencyKey::parse(key)?),
        })
    }
}

/// A key for a form: whoever sends the form twice asks once.
fn form_key() -> String {
    format!("form-{:032x}", rand::random::<u128>())
}

/// What just happened.
enum Said {
    Done(String),
    Refused(String),
}

impl Said {
    /// What a problem tells people.
    fn refused(problem: &Problem) -> Self {
        if problem.status().is_server_error() {
            tracing::warn!(cause = problem.operator_cause(), "a form could not be worked on");
        }
        Self::Refused(told(problem).to_owned())
    }
}

/// What a problem tells people: of one wrong field what is wrong with it, for the pointer into a body is a program's.
fn told(problem: &Problem) -> &str {
    match problem.errors() {
        [field] => &field.detail,
        _ => problem.detail(),
    }
}

/// A page of payment's, with the tab that it belongs to.
fn drawn(who: &SignedIn, tab: &str, title: &str, said: Option<&Said>, body: &Markup) -> Html {
    let body = html! {
        nav.periods aria-label="Payment" {
            ul {
                @for (href, name) in TABS {
                    li { a href=(href) aria-current=[(href == tab).then_some("page")] { (name) } }
                }
            }
        }
        h1 { (title) }
        @match said {
            Some(Said::Done(what)) => (notice(Tone::Good, &html! { (what) })),
            Some(Said::Refused(why)) => (notice(Tone::Bad, &html! { (why) })),
            None => {}
        }
        (body)
    };
    page(&Page {
        title,
        role: "payment",
        place: Place::Payment,
        signed_in: Some(::pages::SignedIn {
            tenant: who.0.tenant.as_str(),
            user: who.0.user.as_str(),
        }),
        body,
    })
}

/// The page that says why nothing was done: with the problem's status, and with its headers, of which one tells a repeat.
fn answered(problem: &Problem, mut page: Response) -> Response {
    *page.status_mut() = problem.status();
    for (name, value) in problem.headers() {
        page.headers_mut().append(name, value.clone());
    }
    page
}

/// 303: whatever was sent, look there with `GET`.
fn see_other(place: &str) -> Response {
    match HeaderValue::try_from(place) {
        Ok(place) => (StatusCode::SEE_OTHER, [(LOCATION, place)]).into_response(),
        Err(error) => Problem::internal(error).into_response(),
    }
}

/// `2026-11-22 10:20:30 UTC`.
fn moment(unix_ms: u64) -> Markup {
    let exact = crate::http::show_moment(unix_ms);
    let shown = exact.get(..19).unwrap_or(&exact).replace('T', " ");
    html! { time datetime=(exact) { (shown) " UTC" } }
}
