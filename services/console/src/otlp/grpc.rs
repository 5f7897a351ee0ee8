//! OTLP over gRPC, on a port of its own. The three methods are wired by hand instead of by the generated servers: those
//! decode a message before anybody can weigh it.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::{Buf, BufMut, Bytes};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use server::Drain;
use tokio::net::TcpListener;
use tonic::Status;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::Grpc;
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;

use super::{NOT_KEPT, WEIGHT_MAX, weight};
use crate::http::App;

const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
/// Requests of one connection at a time.
const STREAMS_MAX: u32 = 16;

/// Binds the address, so that one that is taken is known at the start.
pub(crate) fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Serves until the drain has begun and what is in flight has ended.
pub(crate) async fn serve(
    listener: TcpListener,
    app: App,
    drain: Drain,
) -> Result<(), tonic::transport::Error> {
    let router = Router::new()
        .route(TRACES, post(traces))
        .route(METRICS, post(metrics))
        .route(LOGS, post(logs))
        .fallback(unknown)
        .with_state(app);
    tonic::transport::Server::builder()
        .max_concurrent_streams(STREAMS_MAX)
        .timeout(super::TAKEN_WITHIN)
        .add_routes(Routes::from(router))
        .serve_with_incoming_shutdown(TcpIncoming::from(listener), async move { drain.begun().await })
        .await
}

async fn traces(State(app): State<App>, request: Request) -> Response {
    let place = match app.ingest_place().await {
        Ok(place) => place,
        Err(_full) => return Status::unavailable("too much is being sent at once").into_http(),
    };
    let (bytes_max, console) = (app.body_bytes_max, app.console.clone());
    let answer = unary(request, bytes_max, move |message| {
        match weight::of_protobuf(&message) {
            None => return Err(Status::invalid_argument("this is no OTLP trace request")),
            Some(weight) if weight > WEIGHT_MAX => {
                return Err(Status::out_of_range(format!(
                    "unpacked it is more than {WEIGHT_MAX} bytes: send fewer spans at a time"
                )));
            }
            Some(_) => {}
        }
        let request = ExportTraceServiceRequest::decode(message)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        Ok(super::take(&console, request).encode_to_vec().into())
    })
    .await;
    drop(place);
    answer
}

async fn metrics(State(app): State<App>, request: Request) -> Response {
    // Also what is thrown away takes room while it comes in.
    let Ok(_place) = app.ingest_place().await else {
        return Status::unavailable("too much is being sent at once").into_http();
    };
    let said = ExportMetricsServiceResponse {
        partial_success: Some(ExportMetricsPartialSuccess {
            rejected_data_points: 0,
            error_message: NOT_KEPT.to_owned(),
        }),
    };
    unary(request, app.body_bytes_max, move |_| {
        Ok(said.encode_to_vec().into())
    })
    .await
}

async fn logs(State(app): State<App>, request: Request) -> Response {
    // Also what is thrown away takes room while it comes in.
    let Ok(_place) = app.ingest_place().await else {
        return Status::unavailable("too much is being sent at once").into_http();
    };
    let said = ExportLogsServiceResponse {
        partial_success: Some(ExportLogsPartialSuccess {
            rejected_log_records: 0,
            error_message: NOT_KEPT.to_owned(),
        }),
    };
    unary(request, app.body_bytes_max, move |_| {
        Ok(said.encode_to_vec().into())
    })
    .await
}

async fn unknown() -> Response {
    Status::unimplemented("only OTLP's Export methods are here").into_http()
}

/// One message in, one out.
async fn unary<F>(request: Request, bytes_max: usize, take: F) -> Response
where
    F: FnOnce(Bytes) -> Result<Bytes, Status> + Clone + Send + Sync + 'static,
{
    let service = tower::service_fn(move |request: tonic::Request<Bytes>| {
        let take = take.clone();
        async move { take(request.into_inner()).map(tonic::Response::new) }
    });
    let answer = Grpc::new(Whole)
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(bytes_max)
        .unary(service, request)
        .await;
    answer.into_response()
}

/// Messages as they are on the wire.
#[derive(Debug, Clone, Copy, Default)]
struct Whole;

impl Codec for Whole {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Whole {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.reserve(item.len());
        into.put(item);
        Ok(())
    }
}

impl Decoder for Whole {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
