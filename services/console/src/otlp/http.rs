//! OTLP over HTTP: `POST /v1/traces`, and polite answers for metrics and logs. No token is asked for: who may send is
//! whoever reaches the port, which the gateway does not route to.

use std::io::Read;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt as _;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use problem::Problem;
use prost::Message;
use serde::Serialize;

use super::{NOT_KEPT, UNPACKED_BYTES_MAX, WEIGHT_MAX, weight};
use crate::http::App;

/// The paths of the receiver: they take larger bodies, and their requests are recorded by nobody.
pub(crate) const PATHS: &[&str] = &["/v1/traces", "/v1/metrics", "/v1/logs"];

pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/v1/traces", post(traces))
        .route("/v1/metrics", post(metrics))
        .route("/v1/logs", post(logs))
        .with_state(app)
}

/// How a body is written, and so its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let essence = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
        match essence.trim().to_ascii_lowercase().as_str() {
            "application/x-protobuf" => Ok(Self::Protobuf),
            "application/json" => Ok(Self::Json),
            _ => Err(Problem::unsupported_media_type("application/x-protobuf")),
        }
    }

    fn answer<T: Message + Serialize>(self, message: &T) -> Response {
        match self {
            Self::Protobuf => {
                let kind = HeaderValue::from_static("application/x-protobuf");
                ([(CONTENT_TYPE, kind)], message.encode_to_vec()).into_response()
            }
            Self::Json => server::Json(message).into_response(),
        }
    }
}

async fn traces(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let encoding = Encoding::of(request.headers())?;
    let packing = request.headers().get(CONTENT_ENCODING).cloned();
    // Before the body is read: what waits here waits in the sender.
    let _place = app.ingest_place().await?;
    let body = unpacked(packing.as_ref(), read(request.into_body()).await?)?;
    let request = match encoding {
        Encoding::Protobuf => {
            let weight = weight::of_protobuf(&body).ok_or_else(|| unreadable("not a trace request"))?;
            fits(weight)?;
            ExportTraceServiceRequest::decode(body).map_err(|error| unreadable(&error.to_string()))?
        }
        Encoding::Json => {
            fits(weight::of_json(&body))?;
            serde_json::from_slice(&body).map_err(|error| unreadable(&error.to_string()))?
        }
    };
    Ok(encoding.answer(&super::take(&app.console, request)))
}

async fn metrics(request: Request) -> Result<Response, Problem> {
    let encoding = Encoding::of(request.headers())?;
    drain(request.into_body()).await?;
    let partial = ExportMetricsPartialSuccess {
        rejected_data_points: 0,
        error_message: NOT_KEPT.to_owned(),
    };
    Ok(encoding.answer(&ExportMetricsServiceResponse {
        partial_success: Some(partial),
    }))
}

async fn logs(request: Request) -> Result<Response, Problem> {
    let encoding = Encoding::of(request.headers())?;
    drain(request.into_body()).await?;
    let partial = ExportLogsPartialSuccess {
        rejected_log_records: 0,
        error_message: NOT_KEPT.to_owned(),
    };
    Ok(encoding.answer(&ExportLogsServiceResponse {
        partial_success: Some(partial),
    }))
}

/// The edge holds the bound and words the refusal.
async fn read(body: Body) -> Result<Bytes, Problem> {
    let collected = body.collect().await;
    let collected = collected
        .map_err(|error| Problem::malformed("incomplete_body", "the body broke off").cause(error))?;
    Ok(collected.to_bytes())
}

/// Read to its end and forgotten as it comes.
async fn drain(mut body: Body) -> Result<(), Problem> {
    while let Some(frame) = body.frame().await {
        frame.map_err(|error| Problem::malformed("incomplete_body", "the body broke off").cause(error))?;
    }
    Ok(())
}

fn unpacked(packing: Option<&HeaderValue>, body: Bytes) -> Result<Bytes, Problem> {
    match packing.map(HeaderValue::as_bytes) {
        None | Some(b"" | b"identity") => Ok(body),
        Some(b"gzip") => {
            let mut whole = Vec::new();
            let limit = u64::try_from(UNPACKED_BYTES_MAX)
                .unwrap_or(u64::MAX)
                .saturating_add(1);
            let mut unpacking = flate2::read::GzDecoder::new(&body[..]).take(limit);
            let read = unpacking.read_to_end(&mut whole);
            read.map_err(|error| unreadable(&format!("not gzip: {error}")))?;
            if whole.len() > UNPACKED_BYTES_MAX {
                return Err(too_heavy());
            }
            Ok(whole.into())
        }
        Some(_) => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_content_encoding",
            "send it as it is, or as gzip",
        )),
    }
}

fn fits(weight: usize) -> Result<(), Problem> {
    if weight > WEIGHT_MAX {
        return Err(too_heavy());
    }
    Ok(())
}

fn too_heavy() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "payload_too_large",
        format!("unpacked it is more than {WEIGHT_MAX} bytes: send fewer spans at a time"),
    )
}

fn unreadable(why: &str) -> Problem {
    Problem::malformed("malformed_otlp", format!("this is no OTLP trace request: {why}"))
}
