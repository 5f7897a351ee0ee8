//! What may stand between a request and the origin, and the redirect service around it.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cache::{Cache, CacheMetrics, CacheSettings};
use clock::SharedClock;
use lab::Waits;
use server::Path;

use super::origin::Origin;

/// The links that a lab's process remembers.
pub(super) type Links = Cache<String, Arc<str>, String>;

/// What answers a request: the part in which arms differ.
#[async_trait]
pub(super) trait Layer: Send + Sync + 'static {
    async fn find(&self, code: &str) -> Result<Option<Arc<str>>, String>;
}

/// `GET /{code}`: 302, 404, or 503 with the reason.
pub(super) fn router(layer: Arc<dyn Layer>) -> Router {
    Router::new().route("/{code}", get(follow)).with_state(layer)
}

/// Counts the requests that had to wait for what is behind.
pub(super) struct Watched {
    pub(super) layer: Arc<dyn Layer>,
    pub(super) waits: Waits,
}

#[async_trait]
impl Layer for Watched {
    async fn find(&self, code: &str) -> Result<Option<Arc<str>>, String> {
        self.waits.watch(self.layer.find(code)).await
    }
}

async fn follow(State(layer): State<Arc<dyn Layer>>, Path(code): Path<String>) -> Response {
    match layer.find(&code).await {
        Ok(Some(url)) => (StatusCode::FOUND, [(header::LOCATION, url.to_string())]).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why).into_response(),
    }
}

/// A cache of the platform's, all of whose protections are off unless the lab's settings turn them on.
pub(super) fn links(settings: &CacheSettings, clock: SharedClock) -> Links {
    Cache::new("lab", settings, clock, &CacheMetrics::default())
}

/// No jitter, no early refresh, nothing remembered of what is not there, and room for any load.
pub(super) const PLAIN: CacheSettings = CacheSettings {
    capacity: 100_000,
    ttl_ms: 60_000,
    ttl_jitter: 0.0,
    negative_ttl_ms: 0,
    xfetch_beta: 0.0,
    loads_max: 10_000,
    loads_waiting_max: 10_000,
    load_timeout_ms: 10_000,
};

/// Cache-aside as it is first written: look, else read, then remember. Who comes meanwhile does the same.
pub(super) struct EachForItself {
    pub(super) links: Links,
    pub(super) origin: Arc<Origin>,
}

#[async_trait]
impl Layer for EachForItself {
    async fn find(&self, code: &str) -> Result<Option<Arc<str>>, String> {
        if let Some(known) = self.links.peek(code) {
            return Ok(known.into_value());
        }
        let ticket = self.links.ticket(code);
        let url = self.origin.read(code).await?;
        if let Some(url) = &url {
            self.links.put(ticket, code.to_owned(), Arc::clone(url));
        }
        Ok(url)
    }
}

/// The cache as the platform uses it: one load a key, joined by whoever comes meanwhile.
pub(super) struct OneLoad {
    pub(super) links: Links,
    pub(super) origin: Arc<Origin>,
}

#[async_trait]
impl Layer for OneLoad {
    async fn find(&self, code: &str) -> Result<Option<Arc<str>>, String> {
        let (origin, key) = (Arc::clone(&self.origin), code.to_owned());
        let load = move || async move { origin.read(&key).await };
        let loaded = self.links.get_or_load(code.to_owned(), load).await;
        loaded.map_err(|error| error.to_string())
    }
}
