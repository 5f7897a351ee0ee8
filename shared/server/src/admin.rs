//! The admin port: what operators and probes ask. Never routed by the gateway.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use problem::Problem;
use telemetry::Telemetry;
use tower::Service;

use crate::body;
use crate::connection::{Activity, Answered, Asked, Busy};
use crate::drain::Drain;
use crate::readiness::Readiness;

/// When a probe may ask again; they have their own schedule anyway.
const ASK_AGAIN: Duration = Duration::from_secs(1);

pub(crate) struct Admin {
    pub(crate) telemetry: Telemetry,
    pub(crate) readiness: Readiness,
    pub(crate) drain: Drain,
}

pub(crate) fn router(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .fallback(|| async { Problem::not_found("the admin port has /livez, /readyz and /metrics") })
        .with_state(admin)
}

/// The admin port, on one connection: busy while it answers, so that a scraper that keeps its connection is not taken for one
/// that says nothing.
pub(crate) struct AdminService {
    pub(crate) router: Router,
    pub(crate) activity: Arc<Activity>,
}

impl hyper::service::Service<Asked> for AdminService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Answered> + Send>>;

    fn call(&self, request: Asked) -> Self::Future {
        let busy = Busy::mark(Arc::clone(&self.activity));
        let answering = self.router.clone().call(request.map(Body::new));
        Box::pin(async move {
            let response = answering.await?;
            Ok(response.map(|body| body::watched(body, busy)))
        })
    }
}

/// Answering is the proof: no engine is asked, for a restart would not bring it back.
async fn live() -> Response {
    plain("ok\n")
}

async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    if admin.drain.is_draining() {
        return uncached(not_ready("draining", "this role is shutting down"));
    }
    let failures = admin.readiness.failures();
    if failures.is_empty() {
        let losses = admin.readiness.losses();
        let lines = losses
            .into_iter()
            .map(|(check, reason)| format!("degraded: {check}: {reason}\n"));
        return uncached(
            std::iter::once("ok\n".to_owned())
                .chain(lines)
                .collect::<String>(),
        );
    }
    let mut problem = not_ready("not_ready", "a required engine cannot be used");
    for (check, reason) in failures {
        // The pointer names the check; this is the operators' port, so the reason may be read here.
        problem = problem.field(format!("/{check}"), reason);
    }
    uncached(problem)
}

fn not_ready(code: &'static str, detail: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(ASK_AGAIN)
}

async fn metrics(State(admin): State<Arc<Admin>>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    match admin.telemetry.encode(accept) {
        Ok((kind, body)) => match HeaderValue::try_from(kind) {
            Ok(kind) => ([(CONTENT_TYPE, kind)], body).into_response(),
            Err(error) => Problem::internal(error).into_response(),
        },
        Err(error) => Problem::internal(error).into_response(),
    }
}

fn plain(text: &'static str) -> Response {
    uncached(text)
}

fn uncached(answer: impl IntoResponse) -> Response {
    ([(CACHE_CONTROL, "no-store")], answer).into_response()
}
