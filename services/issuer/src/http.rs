//! Routes and wire types: parse, call one operation, answer.

mod authorize;
mod discovery;
mod guard;
mod token;

use std::sync::Arc;

use axum::Router;
use clock::SharedClock;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi as _};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api_keys::HashSecret;
use crate::config::Rules;
use crate::form_token::FormTokens;
use crate::metrics::Metrics;
use crate::store::Store;

/// What every handler gets.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) rules: Arc<Rules>,
    pub(crate) clock: SharedClock,
    pub(crate) secret: HashSecret,
    pub(crate) forms: FormTokens,
    pub(crate) metrics: Metrics,
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Orrery issuer",
        description = "A local OpenID Connect issuer: a stand-in for a real one. People sign in on loopback only; programs with API keys anywhere."
    ),
    modifiers(&MachineClients)
)]
struct ApiDoc;

/// How a program proves itself, unless it does so in the form.
struct MachineClients;

impl Modify for MachineClients {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Basic)
            .description(Some("A client id and its API key, for `client_credentials`"))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("client", SecurityScheme::Http(scheme));
    }
}

fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(ApiDoc::openapi())
        .routes(routes!(discovery::configuration))
        .routes(routes!(discovery::key_set))
        .routes(routes!(authorize::show, authorize::submit))
        .routes(routes!(token::exchange))
}

/// The whole service as a router.
pub(crate) fn router(app: App) -> Router {
    let (router, _) = routes().split_for_parts();
    router.with_state(app).merge(pages::assets_router(crate::ROLE))
}

/// The API's description (OpenAPI 3.1).
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes().split_for_parts().1
}
