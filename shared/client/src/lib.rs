#![doc = include_str!("../README.md")]

mod body;
mod error;
mod keys;
mod metrics;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clock::SharedClock;
use http::header::ACCEPT;
use http::uri::Authority;
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use resilience::{DEADLINE_HEADER, Deadline};
use serde::de::DeserializeOwned;
use telemetry::{Span, SpanKind, Telemetry, TraceContext, method_name};
use tokio::sync::Semaphore;

use metrics::ClientMetrics;

pub use body::ResponseBody;
pub use error::ClientError;
pub use keys::HttpKeys;
pub use metrics::describe_metrics;
pub use settings::ClientSettings;

/// Any error, as bodies have it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

type RequestBody = UnsyncBoxBody<Bytes, BoxError>;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A pool of connections to other roles. One a role (its metrics are registered once); cloning is cheap.
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: Pool<HttpConnector, RequestBody>,
    telemetry: Telemetry,
    clock: SharedClock,
    metrics: ClientMetrics,
    settings: ClientSettings,
    in_flight: Arc<Semaphore>,
}

impl Client {
    /// A client without connections; they are made when needed.
    pub fn new(telemetry: Telemetry, clock: SharedClock, settings: ClientSettings) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_millis(settings.connect_timeout_ms)));
        let pool = Pool::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_millis(settings.idle_timeout_ms))
            .pool_max_idle_per_host(settings.idle_connections_max)
            .http1_max_headers(settings.headers_max)
            .build(connector);
        Self(Arc::new(Inner {
            pool,
            metrics: ClientMetrics::register(&telemetry),
            in_flight: Arc::new(Semaphore::new(settings.requests_max)),
            telemetry,
            clock,
            settings,
        }))
    }

    /// Sends a request and gives the answer once its head is here; both bodies are streamed.
    ///
    /// The [current](Deadline::current) deadline holds for the whole exchange, or the setting's when there is none, and is
    /// passed on, as is the trace. Any status is an answer; errors are those of the exchange itself. Hop-by-hop headers are the
    /// caller's affair.
    pub async fn send<B>(&self, request: Request<B>) -> Result<Response<ResponseBody>, ClientError>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let inner = &self.0;
        let deadline = self.deadline();
        let peer = peer(request.uri())?;
        let method = request.method().clone();
        let started = inner.clock.monotonic();
        let mut span = self.span(&method, &peer);
        let result = self.exchange(request, &peer, deadline, &span).await;
        let status = result.as_ref().map(Response::status);
        let outcome = match &status {
            Ok(status) => {
                span.attribute("http.response.status_code", status.as_u16());
                if status.is_client_error() || status.is_server_error() {
                    span.fail("http_status");
                }
                status.as_str()
            }
            Err(error) => {
                span.fail(error.code());
                error.code()
            }
        };
        let elapsed = inner.clock.monotonic().saturating_sub(started);
        let trace = span.context().filter(|_| span.is_recording());
        inner
            .metrics
            .durations
            .observe(&[method_name(&method), peer.as_str(), outcome], elapsed, trace);
        result
    }

    /// Gets a JSON document, at most `response_bytes_max` large. Any status but 200 is an error.
    pub async fn get_json<T: DeserializeOwned>(&self, uri: &Uri) -> Result<T, ClientError> {
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = uri.clone();
        request
            .headers_mut()
            .insert(ACCEPT, HeaderValue::from_static("application/json"));
        let response = self.send(request).await?;
        if response.status() != http::StatusCode::OK {
            return Err(ClientError::Status(response.status().as_u16()));
        }
        let bytes_max = self.0.settings.response_bytes_max;
        let body = match Limited::new(response.into_body(), bytes_max).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                return Err(match error.downcast::<ClientError>() {
                    Ok(error) => *error,
                    Err(_limit) => ClientError::TooLarge { bytes_max },
                });
            }
        };
        serde_json::from_slice(&body).map_err(|error| ClientError::Unreadable(error.to_string()))
    }

    /// The clock that deadlines are judged by.
    pub fn clock(&self) -> &SharedClock {
        &self.0.clock
    }

    fn deadline(&self) -> Deadline {
        Deadline::current().unwrap_or_else(|| {
            Deadline::after(
                &*self.0.clock,
                Duration::from_millis(self.0.settings.request_timeout_ms),
            )
        })
    }

    async fn exchange<B>(
        &self,
        request: Request<B>,
        peer: &Authority,
        deadline: Deadline,
        span: &Span,
    ) -> Result<Response<ResponseBody>, ClientError>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let inner = &self.0;
        let remaining = deadline.remaining(&*inner.clock);
        if remaining.is_zero() {
            return Err(ClientError::Timeout);
        }
        let slot = Arc::clone(&inner.in_flight)
            .try_acquire_owned()
            .map_err(|_full| ClientError::Saturated)?;
        let mut request = request.map(|body| UnsyncBoxBody::new(body.map_err(Into::into)));
        let headers = request.headers_mut();
        headers.insert(DEADLINE_HEADER, deadline.header_value(&*inner.clock));
        let trace = span.context().or_else(TraceContext::current);
        if let Some(Ok(value)) = trace.map(|trace| HeaderValue::try_from(trace.traceparent())) {
            headers.insert(TRACEPARENT, value);
        }
        match tokio::time::timeout(remaining, inner.pool.request(request)).await {
            Err(_elapsed) => Err(ClientError::Timeout),
            Ok(Err(error)) => Err(ClientError::of_exchange(peer, &error)),
            Ok(Ok(response)) => {
                let clock = Arc::clone(&inner.clock);
                Ok(response.map(|body| ResponseBody::new(body, deadline, clock, slot)))
            }
        }
    }

    fn span(&self, method: &Method, peer: &Authority) -> Span {
        let name = method_name(method);
        let mut span = self.0.telemetry.span(name, SpanKind::Client, None);
        if span.is_recording() {
            span.attribute("http.request.method", name);
            span.attribute("server.address", peer.host().to_owned());
            span.attribute("server.port", peer.port_u16().unwrap_or(80));
        }
        span
    }
}

/// Plain HTTP to a named peer: there is no TLS between roles of one machine, and no proxy that takes relative URIs.
fn peer(uri: &Uri) -> Result<Authority, ClientError> {
    match (uri.scheme_str(), uri.authority()) {
        (Some("http"), Some(authority)) => Ok(authority.clone()),
        _ => Err(ClientError::Address),
    }
}
