//! What every request needs, and the router around it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::{any, get, post};
use client::{Client, HttpKeys};
use clock::SharedClock;
use http::StatusCode;
use http::header::CACHE_CONTROL;
use identity::Verifier;
use resilience::{RetryBudget, RetryPolicy};
use server::Role;

use crate::config::{Origin, PerUpstream, SettingError, Settings};
use crate::headers::cookies::Cookies;
use crate::metrics::Metrics;
use crate::pages::docs::{self, Document, Documented};
use crate::rate_limit::TenantLimits;
use crate::routes::{ROUTES, Upstream};
use crate::{pages, proxy, sign_in};

/// The gateway's state: all of it is settings, caches and counters, and may be lost.
pub(crate) struct Gateway {
    pub(crate) clock: SharedClock,
    pub(crate) client: Client,
    pub(crate) verifier: Verifier,
    pub(crate) limits: TenantLimits,
    pub(crate) retry: RetryPolicy,
    pub(crate) retry_budget: RetryBudget,
    pub(crate) metrics: Metrics,
    pub(crate) cookies: Cookies,
    pub(crate) public: Origin,
    pub(crate) upstreams: PerUpstream,
    pub(crate) admins: PerUpstream,
    /// Where the processor says how it does; it is behind payment, and no upstream of ours.
    pub(crate) processor_admin: Option<Origin>,
    pub(crate) probe: Duration,
    pub(crate) sign_in_s: u64,
    pub(crate) token_command: String,
    pub(crate) documents: Vec<Documented>,
}

impl Gateway {
    pub(crate) async fn new(
        role: &Role,
        settings: &Settings,
        documents: Vec<Document>,
    ) -> Result<Self, SettingError> {
        let public = Origin::parse("public_url", &settings.public_url)?;
        let upstreams = PerUpstream::apis(&settings.upstreams)?;
        let clock = role.clock.clone();
        let client = Client::new(role.telemetry.clone(), clock.clone(), settings.client.clone());
        let jwks = upstreams
            .of(Upstream::Issuer)
            .at("/.well-known/jwks.json")
            .to_string();
        let keys = HttpKeys::new(client.clone(), &jwks).map_err(|error| SettingError {
            setting: "upstreams.issuer",
            detail: error.to_string(),
        })?;
        Ok(Self {
            verifier: Verifier::new(settings.tokens.clone(), Arc::new(keys), clock.clone()),
            limits: TenantLimits::open(role, settings).await?,
            retry: settings.retry.clone(),
            retry_budget: RetryBudget::new(settings.retry_budget.clone(), clock.clone()),
            metrics: Metrics::register(&role.telemetry, settings.tenant_labels_max),
            cookies: Cookies::new(public.port(), public.is_https()),
            admins: PerUpstream::admins(&settings.admin)?,
            processor_admin: settings.admin.processor()?,
            probe: Duration::from_millis(settings.start_page_probe_ms),
            sign_in_s: settings.sign_in_ms / 1_000,
            token_command: settings.token_command.clone(),
            documents: documents.into_iter().map(Documented::of).collect(),
            clock,
            client,
            public,
            upstreams,
        })
    }
}

/// The table of [`ROUTES`] and the gateway's own pages. Whatever else is asked for is the server's 404.
pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    let mut router = Router::new()
        .route("/", get(pages::start::show))
        .route("/docs", get(docs::index))
        .route("/docs/{role}", get(docs::show))
        .route("/docs/{role}/openapi.json", get(docs::json))
        .route("/favicon.ico", get(no_icon))
        .route("/robots.txt", get(robots))
        .route(sign_in::LOGIN, get(sign_in::login))
        .route(sign_in::CALLBACK, get(sign_in::callback))
        .route(sign_in::LOGOUT, post(sign_in::logout))
        .merge(::pages::assets_router("gateway"));
    for route in ROUTES {
        for pattern in route.patterns() {
            let forward = async |State(gateway): State<Arc<Gateway>>, request: Request| {
                proxy::forward(&gateway, route, request).await
            };
            router = router.route(&pattern, any(forward));
        }
    }
    router.with_state(gateway)
}

/// Pages name their own icon; browsers that ask here all the same get a quick, lasting no.
async fn no_icon() -> (StatusCode, [(http::HeaderName, &'static str); 1]) {
    (StatusCode::NO_CONTENT, [(CACHE_CONTROL, "public, max-age=86400")])
}

/// Crawlers would count as clicks.
async fn robots() -> &'static str {
    "User-agent: *\nDisallow: /\n"
}
