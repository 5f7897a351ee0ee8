//! The API: routes and wire types. A handler parses, calls one operation, answers.

mod body;
mod caller;
mod charges;
mod faults;
mod settlements;

use std::sync::Arc;

use axum::Router;
use clock::SharedClock;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, HeaderName};
use idempotency::InFlight;
use tokio::sync::Notify;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi as _};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::SharedStore;
use crate::config::Rules;
use crate::faults::FaultControls;
use crate::metrics::Metrics;
use crate::operations::perform::UnderWay;
use crate::secrets::Secrets;
use crate::store::{Answer, KeyHash};

/// What stands here changes all the time and is for the caller alone.
const PRIVATE: (HeaderName, HeaderValue) = (CACHE_CONTROL, HeaderValue::from_static("private, no-store"));

/// What handlers and workers stand on. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<AppParts>);

/// The parts of [`App`].
pub(crate) struct AppParts {
    pub(crate) store: SharedStore,
    pub(crate) rules: Rules,
    pub(crate) clock: SharedClock,
    pub(crate) secrets: Secrets,
    pub(crate) faults: FaultControls,
    pub(crate) metrics: Metrics,
    pub(crate) in_flight: InFlight<KeyHash, Answer>,
    pub(crate) under_way: UnderWay,
    pub(crate) webhook_made: Notify,
}

impl App {
    pub(crate) fn new(parts: AppParts) -> Self {
        Self(Arc::new(parts))
    }
}

impl std::ops::Deref for App {
    type Target = AppParts;

    fn deref(&self) -> &AppParts {
        &self.0
    }
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Orrery processor",
        description = "A stand-in for a card processor, a third party: it knows tokens and no cards. Every refusal is a problem document (RFC 9457) with a stable `code`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "charges", description = "Authorizing, capturing, sending back; finding out what became of it"),
        (name = "settlements", description = "What moved on a day"),
        (name = "faults", description = "What goes wrong on purpose, where that is allowed")
    ),
    components(schemas(problem::Problem)),
    modifiers(&ApiSecret)
)]
struct Document;

struct ApiSecret;

impl Modify for ApiSecret {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The API secret (`processor.api_secret`)"))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("secret", SecurityScheme::Http(scheme));
    }
}

fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(charges::create, charges::look_up))
        .routes(routes!(charges::show))
        .routes(routes!(charges::capture))
        .routes(routes!(charges::void))
        .routes(routes!(charges::refund))
        .routes(routes!(settlements::list))
        .routes(routes!(settlements::show))
        .routes(routes!(faults::show, faults::replace, faults::reset))
}

/// The whole service as a router.
pub(crate) fn router(app: App) -> Router {
    routes().split_for_parts().0.with_state(app)
}

/// The API's description (OpenAPI 3.1).
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes().split_for_parts().1
}
