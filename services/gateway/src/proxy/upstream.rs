//! The exchange with an upstream. Only what certainly did not arrive, and could be done twice, is sent twice.

use axum::body::Body;
use client::{ClientError, ResponseBody};
use http::request::Parts;
use http::{Method, Request, Response};
use resilience::{Effect, Retryable, retry};

use crate::error::Refusal;
use crate::gateway::Gateway;
use crate::routes::Upstream;

/// Sends the request; `body` is `None` when there is none.
pub(super) async fn send(
    gateway: &Gateway,
    upstream: Upstream,
    parts: Parts,
    body: Option<Body>,
) -> Result<Response<ResponseBody>, Refusal> {
    let is_read = matches!(parts.method, Method::GET | Method::HEAD);
    let sent = match body {
        None if is_read => send_read(gateway, parts).await,
        None => {
            gateway
                .client
                .send(Request::from_parts(parts, Body::empty()))
                .await
        }
        Some(body) => gateway.client.send(Request::from_parts(parts, body)).await,
    };
    sent.map_err(|error| Refusal::Upstream(upstream, error))
}

async fn send_read(gateway: &Gateway, parts: Parts) -> Result<Response<ResponseBody>, ClientError> {
    let attempt = |_number| {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = parts.uri.clone();
        request.headers_mut().clone_from(&parts.headers);
        async { gateway.client.send(request).await.map_err(Failed) }
    };
    let (policy, budget, clock) = (&gateway.retry, &gateway.retry_budget, &*gateway.clock);
    retry(policy, budget, clock, None, Effect::Idempotent, attempt)
        .await
        .map_err(|Failed(error)| error)
}

struct Failed(ClientError);

impl Retryable for Failed {
    /// Only a connection that could not be made. A read that was under way may have cost the upstream dearly.
    fn retryable(&self) -> bool {
        matches!(self.0, ClientError::Unavailable { .. })
    }
}
