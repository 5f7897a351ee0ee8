//! The API: what the console knows, as JSON. A handler parses, asks the console, answers.

mod documented;
mod map;
mod objectives;
mod traces;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, HeaderName};
use identity::Verifier;
use problem::Problem;
use tokio::sync::{Semaphore, SemaphorePermit};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::console::Console;
use crate::otlp;

/// It changes all the time.
const PRIVATE: (HeaderName, HeaderValue) = (CACHE_CONTROL, HeaderValue::from_static("private, no-store"));

/// What handlers stand on. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<AppParts>);

/// The parts of [`App`].
pub(crate) struct AppParts {
    /// What was seen.
    pub(crate) console: Console,
    /// Checks tokens.
    pub(crate) verifier: Verifier,
    /// Pages that are kept up to date.
    pub(crate) live: crate::pages::LiveParts,
    /// The largest OTLP request over gRPC.
    pub(crate) body_bytes_max: usize,
    /// How many OTLP requests are read at once.
    pub(crate) ingest: Semaphore,
}

impl App {
    /// Puts the parts together.
    pub(crate) fn new(parts: AppParts) -> Self {
        Self(Arc::new(parts))
    }

    /// A place among the OTLP requests that are read and decoded; waits for one as long as the request may take.
    pub(crate) async fn ingest_place(&self) -> Result<SemaphorePermit<'_>, Problem> {
        let place = tokio::time::timeout(otlp::TAKEN_WITHIN, self.ingest.acquire()).await;
        match place {
            Ok(Ok(place)) => Ok(place),
            _ => Err(Problem::unavailable(
                "too much is being sent at once",
                otlp::RETRY_AFTER,
            )),
        }
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
        .routes(routes!(map::show))
        .routes(routes!(objectives::list))
        .routes(routes!(traces::list))
        .routes(routes!(traces::show))
}

/// All routes of the API.
pub(crate) fn router(app: App) -> Router {
    documented_routes().split_for_parts().0.with_state(app)
}

/// What the API promises, as OpenAPI 3.1.
pub fn openapi() -> OpenApi {
    documented_routes().split_for_parts().1
}
