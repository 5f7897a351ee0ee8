//! One request and its answer: what is noted at the beginning and settled at the end.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use http::header::CONNECTION;
use http::{HeaderName, HeaderValue, Method, Response};
use problem::Problem;
use resilience::{DEADLINE_HEADER, Deadline};
use telemetry::{InFlight, RequestEnd, RequestSpan, TraceContext};
use tokio::task::futures::TaskLocalFuture;

use super::Edge;
use super::drive::{Stopped, drive};
use crate::answer::{self, Answer};
use crate::body::{self, Fate};
use crate::connection::{Activity, Answered, Asked, Busy};
use crate::context::RequestContext;
use crate::phase::Phase;
use crate::request_id::RequestId;

const CLOSE: HeaderValue = HeaderValue::from_static("close");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The route label of requests that no route matches: their paths are the client's invention.
const UNMATCHED: &str = "unmatched";

/// How long a client should stay away when all places are taken.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Holds the request's place among `concurrency_max`; dropped unfinished, the client went away.
pub(super) struct Exchange {
    edge: Arc<Edge>,
    busy: Option<Busy>,
    span: Option<RequestSpan>,
    _in_flight: InFlight,
    request_id: RequestId,
    method: Method,
    trace: TraceContext,
    deadline: Deadline,
    remaining: Duration,
    places_taken: usize,
}

impl Exchange {
    pub(super) fn begin(edge: Arc<Edge>, activity: Arc<Activity>, request: &Asked) -> (Self, RequestContext) {
        let now = edge.clock.monotonic();
        let headers = request.headers();
        let request_id = edge.request_ids.identify(headers);
        let deadline = Deadline::from_header(
            headers.get(DEADLINE_HEADER),
            now,
            edge.settings.deadline_default(),
            edge.settings.deadline_max(),
        );
        let traceparent = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok());
        let span = if edge.serving.unrecorded.contains(&request.uri().path()) {
            edge.telemetry.unrecorded_request(request.method())
        } else {
            edge.telemetry.request(request.method(), traceparent)
        };
        let context = RequestContext {
            request_id: request_id.clone(),
            peer: activity.peer,
            route: None.into(),
            writes: edge.writes.clone(),
        };
        let exchange = Self {
            busy: Some(Busy::mark(activity)),
            trace: span.context(),
            span: Some(span),
            _in_flight: edge.metrics.http.begin(),
            request_id,
            method: request.method().clone(),
            deadline,
            remaining: deadline.remaining_at(now),
            places_taken: edge.in_work.fetch_add(1, Ordering::Relaxed),
            edge,
        };
        (exchange, context)
    }

    pub(super) fn deadline(&self) -> Deadline {
        self.deadline
    }

    pub(super) fn trace(&self) -> TraceContext {
        self.trace
    }

    /// What must not reach a handler.
    pub(super) fn refusal(&self, request: &Asked) -> Option<Problem> {
        if self.places_taken >= self.edge.settings.concurrency_max {
            let problem = Problem::unavailable("too many requests are in work", BUSY_RETRY_AFTER);
            return Some(problem);
        }
        if self.remaining.is_zero() {
            return Some(Problem::deadline_exceeded());
        }
        // Neither names a resource that a route could match: a proxy's tunnel, and the server as a whole.
        if *request.method() == Method::CONNECT || request.uri().path() == "*" {
            let allow = HeaderValue::from_static("GET, HEAD");
            return Some(Problem::method_not_allowed(Some(allow)));
        }
        None
    }

    pub(super) fn refuse(self, problem: Problem) -> Response<Body> {
        self.edge.metrics.refused.inc(&[problem.code()]);
        self.finish(Err(problem), "")
    }

    /// Runs the handler within its time.
    pub(super) async fn run<F>(
        self,
        work: TaskLocalFuture<RequestContext, F>,
        fate: Option<Arc<Fate>>,
    ) -> Answered
    where
        F: Future<Output = Result<Response<Body>, Infallible>>,
    {
        let mut work = pin!(work);
        let outcome = match drive(work.as_mut(), self.remaining).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(never)) => match never {},
            Err(Stopped::Deadline) => Err(Problem::deadline_exceeded()),
            Err(Stopped::Panic(message)) => Err(Problem::internal(format!("panic: {message}"))),
        };
        // What the handler made of a broken body is beside the point.
        let outcome = match fate.and_then(|fate| fate.fault()) {
            Some(fault) => {
                let problem = Edge::fault(fault);
                self.edge.metrics.refused.inc(&[problem.code()]);
                Err(problem)
            }
            None => outcome,
        };
        let route = work.take_value().and_then(|context| context.route.into_inner());
        let route = route.as_ref().map_or("", |route| route.as_str());
        Ok(self.finish(outcome, route))
    }

    /// An empty route is none that matched.
    pub(super) fn finish(mut self, outcome: Result<Response<Body>, Problem>, route: &str) -> Response<Body> {
        let Answer { mut response, code } =
            answer::finish(outcome, &self.method, route, &self.request_id, self.trace);
        let end = RequestEnd {
            route,
            status: response.status().as_u16(),
            error_code: code,
        };
        if let Some(span) = self.span.take() {
            let finished = span.finish(end);
            let route = if route.is_empty() { UNMATCHED } else { route };
            self.edge
                .metrics
                .http
                .observe(&self.method, route, end.status, finished);
        }
        answer::identify(&mut response, &self.request_id);
        if self.edge.phases.now() >= Phase::Leaving {
            response.headers_mut().insert(CONNECTION, CLOSE);
        }
        match self.busy.take() {
            Some(busy) => response.map(|body| body::watched(body, busy)),
            None => response,
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.edge.in_work.fetch_sub(1, Ordering::Relaxed);
        // Unfinished, a span says of itself that the client went away.
        if self.span.take().is_some() {
            self.edge.metrics.refused.inc(&["client_gone"]);
        }
    }
}
