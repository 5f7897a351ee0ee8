//! The last step before an answer leaves: each refusal is a problem, each server fault is logged once.

use axum::body::Body;
use axum::response::IntoResponse;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Method, Response, StatusCode};
use problem::Problem;
use telemetry::TraceContext;

use crate::request_id::{REQUEST_ID_HEADER, RequestId};

/// What is sent, and the problem's code if it is one.
pub(crate) struct Answer {
    pub(crate) response: Response<Body>,
    pub(crate) code: Option<&'static str>,
}

/// Put into the extensions of a response that another server made, it keeps that answer as it came, whatever it looks like.
#[derive(Clone, Copy, Debug)]
pub struct Forwarded;

/// Put into the extensions of a response with a problem, it says how the problem looks to a person: a page of it, by the problem and
/// its trace id. Status and headers stay the problem's.
#[derive(Clone, Copy, Debug)]
pub struct ShownAs(pub fn(&Problem, &str) -> Response<Body>);

pub(crate) fn finish(
    outcome: Result<Response<Body>, Problem>,
    method: &Method,
    route: &str,
    request_id: &RequestId,
    trace: TraceContext,
) -> Answer {
    let mut response = outcome.unwrap_or_else(IntoResponse::into_response);
    if response.status().as_u16() < 400 {
        return Answer { response, code: None };
    }
    let problem = Problem::take_from(&mut response).or_else(|| of_framework(&response));
    let Some(problem) = problem else {
        if response.status().is_server_error() {
            let status = response.status().as_u16();
            trace.sync_scope(
                || tracing::error!(%method, route, status, request_id = request_id.as_str(), "failed"),
            );
        }
        return Answer { response, code: None };
    };
    let trace_id = trace.trace_id().to_string();
    let problem = problem.identified(Some(request_id.as_str().to_owned()), Some(trace_id.clone()));
    problem.render_into(&mut response);
    if let Some(ShownAs(page)) = response.extensions_mut().remove::<ShownAs>() {
        let (page, body) = page(&problem, &trace_id).into_parts();
        response.headers_mut().remove(CONTENT_LENGTH);
        response.headers_mut().extend(page.headers);
        *response.body_mut() = body;
    }
    if problem.status().is_server_error() {
        let cause = problem.operator_cause().unwrap_or_else(|| problem.detail());
        trace.sync_scope(|| {
            tracing::error!(
                %method,
                route,
                status = problem.status().as_u16(),
                code = problem.code(),
                request_id = request_id.as_str(),
                cause,
                "failed"
            );
        });
    }
    Answer {
        response,
        code: Some(problem.code()),
    }
}

pub(crate) fn identify(response: &mut Response<Body>, request_id: &RequestId) {
    response
        .headers_mut()
        .insert(REQUEST_ID_HEADER, request_id.header_value());
}

/// axum's own refusals say what they mean in plain text or not at all; pages say what they are, and what another server
/// answered is not ours to word.
fn of_framework(response: &Response<Body>) -> Option<Problem> {
    let ours = response.extensions().get::<Forwarded>().is_none();
    (ours && is_plain(response.headers())).then(|| of_status(response.status()))
}

fn is_plain(headers: &HeaderMap) -> bool {
    match headers.get(CONTENT_TYPE) {
        None => true,
        Some(kind) => kind.as_bytes().starts_with(b"text/plain"),
    }
}

fn of_status(status: StatusCode) -> Problem {
    match status {
        StatusCode::BAD_REQUEST => Problem::malformed("malformed_request", "the request cannot be read"),
        StatusCode::NOT_FOUND => Problem::not_found("there is nothing at this path"),
        // axum's `Allow` header is on the response already and stays.
        StatusCode::METHOD_NOT_ALLOWED => Problem::method_not_allowed(None),
        StatusCode::REQUEST_TIMEOUT => Problem::request_timeout(),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(
            status,
            "payload_too_large",
            "the body is larger than this resource takes",
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(
            status,
            "unsupported_media_type",
            "this resource does not take that media type",
        ),
        StatusCode::UNPROCESSABLE_ENTITY => Problem::invalid_request("the request is not acceptable"),
        StatusCode::GATEWAY_TIMEOUT => Problem::deadline_exceeded(),
        status if status.is_server_error() => {
            let mut problem = Problem::internal("a handler answered without a problem");
            if status != StatusCode::INTERNAL_SERVER_ERROR {
                problem =
                    Problem::new(status, "unavailable", "this cannot be done right now").retryable(true);
            }
            problem
        }
        status => Problem::new(status, "refused", "the request was refused"),
    }
}
