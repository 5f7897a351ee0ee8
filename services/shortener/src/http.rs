//! The API: routes and wire types. A handler parses, calls one operation, answers.

mod batches;
pub(crate) mod cursor;
mod documented;
mod domain_rules;
mod exports;
mod gated;
mod imports;
mod links;
mod portable;
mod preview;
mod qr;
mod redirect;
mod rows;
mod statistics;
mod transfers;
mod wire;

pub(crate) use preview::{PreviewBody, PreviewState};
pub(crate) use wire::{DestinationBody, LinkPatchBody, NewLinkBody, PasswordText, UtmBody};

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, HeaderName};
use identity::Verifier;
use server::Direct;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::clicks::ClickQueue;
use crate::link::Code;
use crate::metrics::Metrics;
use crate::operations::Links;
use crate::visit::Observer;

pub(crate) use links::{change, make, remove};
pub(crate) use server::{parse_moment, show_moment};

/// Paths whose requests are about many links or domains.
pub(crate) const LARGE_BODIES: &[&str] = &[
    "/v1/link-batches",
    "/v1/link-imports",
    "/v1/link-transfers",
    "/v1/domain-rules",
];

/// Counts change all the time, and what is one tenant's is nobody else's.
const PRIVATE: (HeaderName, HeaderValue) = (CACHE_CONTROL, HeaderValue::from_static("private, no-store"));

/// What handlers stand on. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<AppParts>);

/// The parts of [`App`].
pub struct AppParts {
    /// The use cases.
    pub links: Links,
    /// Where redirects leave their clicks.
    pub clicks: Arc<ClickQueue>,
    /// Sees who follows.
    pub visits: Arc<Observer>,
    /// What is counted.
    pub metrics: Metrics,
    /// Checks tokens.
    pub verifier: Verifier,
    /// Pages that are kept up to date.
    pub(crate) live: crate::pages::LiveParts,
    /// What short URLs begin with, without a slash at its end.
    pub public_url: String,
}

impl App {
    /// Puts the parts together.
    pub fn new(parts: AppParts) -> Self {
        Self(Arc::new(parts))
    }

    /// The short URL of a code.
    pub(crate) fn short_url(&self, code: &Code) -> String {
        format!("{}/{code}", self.public_url)
    }
}

impl std::ops::Deref for App {
    type Target = AppParts;

    fn deref(&self) -> &AppParts {
        &self.0
    }
}

impl FromRef<App> for Verifier {
    fn from_ref(app: &App) -> Self {
        app.verifier.clone()
    }
}

fn documented_routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(documented::Document::openapi())
        .routes(routes!(links::create, links::list))
        .routes(routes!(links::show, links::update, links::delete))
        .routes(routes!(qr::show))
        .routes(routes!(domain_rules::show, domain_rules::replace))
        .routes(routes!(batches::create))
        .routes(routes!(exports::export))
        .routes(routes!(imports::import))
        .routes(routes!(transfers::transfer))
        .routes(routes!(statistics::of_link))
        .routes(routes!(statistics::of_tenant))
        .routes(routes!(statistics::top))
        .routes(routes!(redirect::follow, gated::unlock))
}

/// All routes of the API.
pub(crate) fn router(app: App) -> Router {
    documented_routes().split_for_parts().0.with_state(app)
}

/// What is answered before routing. No code is a word that a route begins with: those are reserved.
pub(crate) fn direct(app: App) -> Direct {
    Direct::new(redirect::ROUTE, move |method, uri, headers| {
        redirect::at_once(&app, method, uri, headers)
    })
}

/// What the API promises, as OpenAPI 3.1.
pub fn openapi() -> OpenApi {
    let mut document = documented_routes().split_for_parts().1;
    documented::complete(&mut document);
    document
}
