//! An OTLP receiver inside the test: both protocols, each on a port of its own, and the spans as plain data.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use prost::Message;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tonic::transport::server::TcpIncoming;

/// How a span came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP over gRPC.
    Grpc,
    /// OTLP over HTTP, protobuf.
    Http,
}

/// A span as the collector sees it. Ids are lower-case hex; values are written as text.
#[derive(Debug, Clone)]
pub struct ReceivedSpan {
    /// How it came.
    pub protocol: Protocol,
    /// `service.name` of its resource.
    pub service: String,
    /// The whole resource.
    pub resource: BTreeMap<String, String>,
    /// 32 digits.
    pub trace_id: String,
    /// 16 digits.
    pub span_id: String,
    /// 16 digits, or empty for a root.
    pub parent_span_id: String,
    /// Its name.
    pub name: String,
    /// `Server`, `Client`, `Producer`, `Consumer`, `Internal` or `Unspecified`.
    pub kind: String,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// Trace id and span id of each link.
    pub links: Vec<(String, String)>,
    /// Whether its status is an error.
    pub is_error: bool,
    /// The status message.
    pub status_message: String,
    /// When it began, in nanoseconds since 1970.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
}

#[derive(Debug, Default)]
struct Inbox {
    received: Mutex<Vec<(Protocol, ExportTraceServiceRequest)>>,
    arrived: Condvar,
}

/// The receiver. It has a thread of its own and ends when it is dropped.
#[derive(Debug)]
pub struct OtlpReceiver {
    inbox: Arc<Inbox>,
    grpc: SocketAddr,
    http: SocketAddr,
    runtime: Option<Runtime>,
}

impl OtlpReceiver {
    /// Listens on two free ports of the loopback interface. Works inside and outside a runtime.
    ///
    /// # Panics
    /// When no port or no thread is to be had: the test cannot go on.
    #[must_use]
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("otlp-receiver")
            .enable_all()
            .build()
            .expect("a runtime for the OTLP receiver");
        let (grpc_listener, grpc) = listen(&runtime);
        let (http_listener, http) = listen(&runtime);
        let inbox = Arc::new(Inbox::default());
        let service = TraceServiceServer::new(Grpc(Arc::clone(&inbox)));
        runtime.spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpIncoming::from(grpc_listener)),
        );
        let router = axum::Router::new()
            .route("/v1/traces", axum::routing::post(take_http))
            .with_state(Arc::clone(&inbox));
        runtime.spawn(async move { axum::serve(http_listener, router).await });
        Self {
            inbox,
            grpc,
            http,
            runtime: Some(runtime),
        }
    }

    /// The endpoint for OTLP over gRPC.
    #[must_use]
    pub fn grpc_endpoint(&self) -> String {
        format!("http://{}", self.grpc)
    }

    /// The endpoint for OTLP over HTTP, without a path.
    #[must_use]
    pub fn http_endpoint(&self) -> String {
        format!("http://{}", self.http)
    }

    /// Every span that has come so far, in the order of arrival.
    #[must_use]
    pub fn spans(&self) -> Vec<ReceivedSpan> {
        flatten(&self.inbox.lock())
    }

    /// Waits until the spans satisfy a condition and gives them back; what has come when the time is up is the error.
    pub fn wait_for(
        &self,
        timeout: Duration,
        condition: impl Fn(&[ReceivedSpan]) -> bool,
    ) -> Result<Vec<ReceivedSpan>, Vec<ReceivedSpan>> {
        let waited = self
            .inbox
            .arrived
            .wait_timeout_while(self.inbox.lock(), timeout, |received| {
                !condition(&flatten(received))
            })
            .unwrap_or_else(PoisonError::into_inner);
        let spans = flatten(&waited.0);
        if waited.1.timed_out() && !condition(&spans) {
            Err(spans)
        } else {
            Ok(spans)
        }
    }

    /// Everything that came, written out whole: to search for what must not be in it.
    #[must_use]
    pub fn everything(&self) -> String {
        format!("{:?}", self.inbox.lock())
    }
}

impl Drop for OtlpReceiver {
    fn drop(&mut self) {
        // A runtime must not be dropped, with a wait, inside another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Vec<(Protocol, ExportTraceServiceRequest)>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, protocol: Protocol, request: ExportTraceServiceRequest) {
        self.lock().push((protocol, request));
        self.arrived.notify_all();
    }
}

struct Grpc(Arc<Inbox>);

#[tonic::async_trait]
impl TraceService for Grpc {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        self.0.take(Protocol::Grpc, request.into_inner());
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

async fn take_http(State(inbox): State<Arc<Inbox>>, body: Bytes) -> (StatusCode, Vec<u8>) {
    match ExportTraceServiceRequest::decode(body) {
        Ok(request) => {
            inbox.take(Protocol::Http, request);
            (
                StatusCode::OK,
                ExportTraceServiceResponse::default().encode_to_vec(),
            )
        }
        Err(_) => (StatusCode::BAD_REQUEST, Vec::new()),
    }
}

fn listen(runtime: &Runtime) -> (TcpListener, SocketAddr) {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener
        .set_nonblocking(true)
        .expect("a socket can be made non-blocking");
    let address = listener.local_addr().expect("a bound socket has an address");
    let _entered = runtime.enter();
    (
        TcpListener::from_std(listener).expect("a runtime takes a socket"),
        address,
    )
}

fn flatten(received: &[(Protocol, ExportTraceServiceRequest)]) -> Vec<ReceivedSpan> {
    let mut spans = Vec::new();
    for (protocol, request) in received {
        for group in &request.resource_spans {
            let resource = group
                .resource
                .as_ref()
                .map(|resource| attributes(&resource.attributes))
                .unwrap_or_default();
            for span in group.scope_spans.iter().flat_map(|scope| &scope.spans) {
                spans.push(received_span(*protocol, &resource, span));
            }
        }
    }
    spans
}

fn received_span(protocol: Protocol, resource: &BTreeMap<String, String>, span: &Span) -> ReceivedSpan {
    let status = span.status.clone().unwrap_or_default();
    ReceivedSpan {
        protocol,
        service: resource.get("service.name").cloned().unwrap_or_default(),
        resource: resource.clone(),
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent_span_id: hex(&span.parent_span_id),
        name: span.name.clone(),
        kind: match SpanKind::try_from(span.kind).unwrap_or_default() {
            SpanKind::Server => "Server",
            SpanKind::Client => "Client",
            SpanKind::Producer => "Producer",
            SpanKind::Consumer => "Consumer",
            SpanKind::Internal => "Internal",
            SpanKind::Unspecified => "Unspecified",
        }
        .to_owned(),
        attributes: attributes(&span.attributes),
        links: span
            .links
            .iter()
            .map(|link| (hex(&link.trace_id), hex(&link.span_id)))
            .collect(),
        is_error: status.code == SpanStatus::Error as i32,
        status_message: status.message,
        start_ns: span.start_time_unix_nano,
        end_ns: span.end_time_unix_nano,
    }
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|pair| (pair.key.clone(), text(pair.value.as_ref())))
        .collect()
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BoolValue(value)) => value.to_string(),
        Some(Value::IntValue(value)) => value.to_string(),
        Some(Value::DoubleValue(value)) => value.to_string(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}
