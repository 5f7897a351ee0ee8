//! A whole console on ports of its own, with a clock that the test moves, spans to send and a token to read with.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get as route;
use clock::ManualClock;
use console::{ConsoleError, Settings};
use http::Method;
use identity::{Claims, Jwks, Principal, Scopes, SigningKey, Tenant, User};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use server::{Drain, Role, ServerSettings};
use slo::ServiceObjectives;
use telemetry::{Telemetry, TelemetrySettings};
use testkit::http::{Answer, call, get};

/// 2026-11-22T00:00:00Z
pub(crate) const NOW_MS: u64 = 1_795_305_600_000;
const ISSUER: &str = "http://127.0.0.1:18080";

pub(crate) struct Service {
    pub(crate) url: String,
    pub(crate) admin: String,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) telemetry: Telemetry,
    key: SigningKey,
    drain: Drain,
    task: tokio::task::JoinHandle<Result<(), ConsoleError>>,
}

/// Serves a router of the test's own.
pub(crate) async fn upstream(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::start_with(Vec::new(), |_| ()).await
    }

    pub(crate) async fn start_with(
        objectives: Vec<ServiceObjectives>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        Self::start_telling(objectives, change, &TelemetrySettings::default()).await
    }

    /// With telemetry of its own.
    pub(crate) async fn start_telling(
        objectives: Vec<ServiceObjectives>,
        change: impl FnOnce(&mut Settings),
        telemetry: &TelemetrySettings,
    ) -> Self {
        let service = Self::launch(objectives, change, telemetry).await;
        service
            .until("it is ready", async || {
                let answer = get(format!("{}/readyz", service.admin)).try_send().await;
                answer.is_ok_and(|answer| answer.status == 200)
            })
            .await;
        service
    }

    /// Why it does not start.
    pub(crate) async fn refused(change: impl FnOnce(&mut Settings)) -> ConsoleError {
        let service = Self::launch(Vec::new(), change, &TelemetrySettings::default()).await;
        let ended = tokio::time::timeout(Duration::from_secs(10), service.task).await;
        ended.expect("it ends").unwrap().unwrap_err()
    }

    async fn launch(
        objectives: Vec<ServiceObjectives>,
        change: impl FnOnce(&mut Settings),
        telemetry: &TelemetrySettings,
    ) -> Self {
        let key = SigningKey::generate();
        let keys = serde_json::to_string(&Jwks::of([&key])).unwrap();
        let keys = route(move || async { ([("content-type", "application/json")], keys) });
        let issuer = upstream(Router::new().route("/.well-known/jwks.json", keys)).await;
        let mut settings = Settings {
            jwks_url: format!("http://{issuer}/.well-known/jwks.json"),
            scrape_interval_ms: 20,
            ..Settings::default()
        };
        ISSUER.clone_into(&mut settings.tokens.issuer);
        change(&mut settings);
        let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (api, admin, drain) = (listener(), listener(), Drain::new());
        let address = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
        let (url, admin_url) = (address(&api), address(&admin));
        let clock = ManualClock::at(NOW_MS);
        let telemetry = Telemetry::new("console", "test", telemetry, clock.clone());
        let telemetry = telemetry.unwrap();
        let role = Role {
            name: "console",
            clock: clock.clone(),
            telemetry: telemetry.clone(),
            settings: ServerSettings {
                drain_notice_ms: 0,
                drain_deadline_ms: 1_000,
                ..ServerSettings::default()
            },
            api,
            admin,
            drain: drain.clone(),
        };
        let task = tokio::spawn(console::run(role, settings, objectives));
        Self {
            url,
            admin: admin_url,
            clock,
            telemetry,
            key,
            drain,
            task,
        }
    }

    /// Ends it in order.
    pub(crate) async fn stop(self) {
        self.drain.begin();
        let ended = tokio::time::timeout(Duration::from_secs(10), self.task).await;
        ended.expect("it ends").unwrap().unwrap();
    }

    /// A token with these scopes.
    pub(crate) fn token(&self, scopes: &str) -> String {
        let principal = Principal {
            tenant: Tenant::parse("acme").unwrap(),
            user: User::parse("ada").unwrap(),
            scopes: Scopes::parse(scopes).unwrap(),
        };
        let claims = Claims::new(ISSUER, "orrery", &principal, NOW_MS / 1_000, 900);
        self.key.sign(&claims).unwrap()
    }

    /// Reads with a token that may.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let token = self.token("console:read");
        get(format!("{}{path}", self.url)).bearer(&token).send().await
    }

    /// Sends a body to a path of the receiver.
    pub(crate) async fn post(&self, path: &str, kind: &str, body: impl Into<bytes::Bytes>) -> Answer {
        let sent = call(Method::POST, format!("{}{path}", self.url)).header("content-type", kind);
        sent.bytes(body).send().await
    }

    /// Sends spans, and gives what was said about them.
    pub(crate) async fn send(&self, request: &ExportTraceServiceRequest) -> ExportTraceServiceResponse {
        let answer = self
            .post("/v1/traces", "application/x-protobuf", request.encode_to_vec())
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        ExportTraceServiceResponse::decode(answer.body).unwrap()
    }

    /// Waits for a condition; `what` is what the failure says.
    pub(crate) async fn until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let waited = tokio::time::timeout(Duration::from_secs(10), async {
            while !condition().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        assert!(waited.await.is_ok(), "within 10 s {what}");
    }

    /// The value of a sample of the console's own metrics.
    pub(crate) fn metric(&self, sample: &str) -> f64 {
        let (_, text) = self.telemetry.encode(Some("text/plain")).unwrap();
        let text = String::from_utf8(text).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(sample));
        line.map_or(0.0, |value| value.trim().parse().unwrap())
    }
}

pub(crate) fn word(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(Value::StringValue(value.to_owned())),
        }),
        ..KeyValue::default()
    }
}

/// A span that ended just now.
pub(crate) fn span(trace: u8, id: u8, parent: u8, kind: SpanKind, took_ms: u64) -> Span {
    Span {
        trace_id: vec![trace; 16],
        span_id: vec![id; 8],
        parent_span_id: if parent == 0 { Vec::new() } else { vec![parent; 8] },
        name: format!("span {id}"),
        kind: kind.into(),
        start_time_unix_nano: (NOW_MS - took_ms) * 1_000_000,
        end_time_unix_nano: NOW_MS * 1_000_000,
        ..Span::default()
    }
}

/// The same as a served request of this route.
pub(crate) fn served(trace: u8, id: u8, parent: u8, route: &str, status: u16, took_ms: u64) -> Span {
    let mut span = span(trace, id, parent, SpanKind::Server, took_ms);
    span.name = format!("GET {route}");
    span.attributes = vec![
        word("http.request.method", "GET"),
        word("http.route", route),
        word("http.response.status_code", &status.to_string()),
    ];
    if status >= 500 {
        span.status = Some(Status {
            code: 2,
            message: "it broke".to_owned(),
        });
    }
    span
}

/// What one service sends.
pub(crate) fn of(service: &str, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let group = ResourceSpans {
        resource: Some(Resource {
            attributes: vec![word("service.name", service)],
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans {
            spans,
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![group],
    }
}

/// The id of a trace as people have it.
pub(crate) fn hex(trace: u8) -> String {
    format!("{trace:02x}").repeat(16)
}
