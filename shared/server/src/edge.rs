//! The edge: everything that every request passes through, as one hand-written service around the axum router.
//!
//! It is on the redirect path, so it adds one box (the future hyper needs a name for), no middleware stack and no timer
//! before the handler first has to wait. The matched route is known only inside axum; [`NoteRoute`] is the one
//! layer, it runs synchronously and writes into the task-local that is there anyway.

mod drive;
mod note_route;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use clock::SharedClock;
use http::{HeaderValue, Method, Request, Response};
use http_body::Body as _;
use problem::Problem;
use resilience::{DEADLINE_HEADER, Deadline};
use telemetry::{Counts, RequestEnd, RequestSpan, Telemetry, TraceContext};
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::answer::{self, Answer};
use crate::body::{self, Fate, Fault, RequestBody};
use crate::connection::{Activity, Answered, Asked, Busy};
use crate::context::{CONTEXT, RequestContext};
use crate::metrics::ServerMetrics;
use crate::request_id::RequestIds;
use crate::settings::ServerSettings;
use drive::{Stopped, drive};
use note_route::NoteRoute;

/// How long a client should stay away when all places are taken.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The route label of requests that no route matches: their paths are the client's invention.
const UNMATCHED: &str = "unmatched";

/// One role's API as hyper sees it.
pub(crate) struct Edge {
    router: Router,
    clock: SharedClock,
    telemetry: Telemetry,
    metrics: ServerMetrics,
    settings: ServerSettings,
    request_ids: RequestIds,
    in_work: AtomicUsize,
    writes: TaskTracker,
}

impl Edge {
    pub(crate) fn new(
        router: Router,
        clock: SharedClock,
        telemetry: Telemetry,
        settings: ServerSettings,
        writes: TaskTracker,
    ) -> Self {
        Self {
            router: router.layer(NoteRoute),
            clock,
            metrics: ServerMetrics::register(&telemetry),
            telemetry,
            settings,
            request_ids: RequestIds::new(),
            in_work: AtomicUsize::new(0),
            writes,
        }
    }

    async fn serve(self: Arc<Self>, activity: Arc<Activity>, request: Asked) -> Answered {
        let peer = activity.peer;
        let busy = Busy::mark(activity);
        let place = Place::take(&self.in_work);
        let in_flight = self.metrics.http.begin();
        let now = self.clock.monotonic();
        let headers = request.headers();
        let request_id = self.request_ids.identify(headers);
        let traceparent = headers.get("traceparent").and_then(|value| value.to_str().ok());
        let deadline = Deadline::from_header(
            headers.get(DEADLINE_HEADER),
            now,
            self.settings.deadline_default(),
            self.settings.deadline_max(),
        );
        let span = self.telemetry.request(request.method(), traceparent);
        let trace = span.context();
        let method = request.method().clone();
        let ask = Ask {
            request,
            deadline,
            now,
            places_taken: place.number,
        };
        let context = RequestContext {
            request_id: request_id.clone(),
            peer,
            route: None.into(),
            writes: self.writes.clone(),
        };
        let mut ending = Ending {
            span: Some(span),
            refused: &self.metrics.refused,
        };
        let (outcome, context) = self.work(ask, context, trace).await;
        drop(place);
        let route = context.and_then(|context| context.route.into_inner());
        let route = route.as_ref().map_or("", |route| route.as_str());
        let Answer { mut response, code } = answer::finish(outcome, &method, route, &request_id, trace);
        let end = RequestEnd {
            route,
            status: response.status().as_u16(),
            error_code: code,
        };
        if let Some(span) = ending.span.take() {
            let finished = span.finish(end);
            let route = if route.is_empty() { UNMATCHED } else { route };
            self.metrics.http.observe(&method, route, end.status, finished);
        }
        drop(in_flight);
        answer::identify(&mut response, &request_id);
        Ok(response.map(|body| body::watched(body, busy)))
    }

    /// Refuses what must not reach a handler, else runs it. Gives the context back for the route in it.
    async fn work(
        &self,
        ask: Ask,
        context: RequestContext,
        trace: TraceContext,
    ) -> (Result<Response<Body>, Problem>, Option<RequestContext>) {
        if let Some(problem) = self.refusal(&ask) {
            self.metrics.refused.inc(&[problem.code()]);
            return (Err(problem), Some(context));
        }
        let remaining = ask.deadline.remaining_at(ask.now);
        let (request, fate) = match self.bounded(ask.request).await {
            Ok(bounded) => bounded,
            Err(problem) => return (Err(problem), Some(context)),
        };
        let mut router = self.router.clone();
        let handler = async move { router.call(request).await };
        let mut scoped = pin!(CONTEXT.scope(context, ask.deadline.scope(trace.scope(handler))));
        let outcome = match drive(scoped.as_mut(), remaining).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(never)) => match never {},
            Err(Stopped::Deadline) => Err(Problem::deadline_exceeded()),
            Err(Stopped::Panic(message)) => Err(Problem::internal(format!("panic: {message}"))),
        };
        // What the handler made of a broken body is beside the point.
        let outcome = match fate.and_then(|fate| fate.fault()) {
            Some(fault) => Err(self.fault(fault)),
            None => outcome,
        };
        (outcome, scoped.take_value())
    }

    fn refusal(&self, ask: &Ask) -> Option<Problem> {
        if ask.places_taken >= self.settings.concurrency_max {
            return Some(Problem::unavailable(
                "too many requests are in work",
                BUSY_RETRY_AFTER,
            ));
        }
        if ask.deadline.remaining_at(ask.now).is_zero() {
            return Some(Problem::deadline_exceeded());
        }
        // Neither names a resource that a route could match: a proxy's tunnel, and the server as a whole.
        if *ask.request.method() == Method::CONNECT || ask.request.uri().path() == "*" {
            return Some(Problem::method_not_allowed(Some(HeaderValue::from_static(
                "GET, HEAD",
            ))));
        }
        None
    }

    /// Puts the bounds around the body. A body that says it is too large is refused before any handler sees it.
    async fn bounded(&self, request: Asked) -> Result<(Request<Body>, Option<Arc<Fate>>), Problem> {
        if request.body().is_end_stream() {
            // No box: an empty body has no size.
            return Ok((request.map(|_| Body::empty()), None));
        }
        let fate = Arc::<Fate>::default();
        let (parts, incoming) = request.into_parts();
        let body = RequestBody::new(
            incoming,
            self.settings.body_bytes_max,
            self.settings.body_read_timeout(),
            Arc::clone(&fate),
        );
        if !body.oversized() {
            return Ok((Request::from_parts(parts, Body::new(body)), Some(fate)));
        }
        // One that waits for our 100 has sent nothing yet and reads the answer.
        if !parts.headers.contains_key(http::header::EXPECT) {
            drain(body).await;
        }
        Err(self.fault(fate.fault().unwrap_or(Fault::TooLarge)))
    }

    fn fault(&self, fault: Fault) -> Problem {
        let problem = match fault {
            Fault::TooLarge => Problem::payload_too_large(self.settings.body_bytes_max),
            Fault::TooSlow => Problem::request_timeout(),
            Fault::Broken => {
                Problem::malformed("incomplete_body", "the body is not framed as its headers say")
            }
        };
        self.metrics.refused.inc(&[problem.code()]);
        problem.header(http::header::CONNECTION, HeaderValue::from_static("close"))
    }
}

struct Ask {
    request: Asked,
    deadline: Deadline,
    now: Duration,
    places_taken: usize,
}

/// Ends the span of a request whose client goes away, for then hyper drops the future that serves it.
struct Ending<'a> {
    span: Option<RequestSpan>,
    refused: &'a Counts,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if let Some(span) = self.span.take() {
            self.refused.inc(&["client_gone"]);
            // Unfinished, it says of itself that the client went away.
            drop(span);
        }
    }
}

/// One of `concurrency_max` places, given back when dropped, also when the client goes away.
struct Place<'a> {
    in_work: &'a AtomicUsize,
    number: usize,
}

impl<'a> Place<'a> {
    fn take(in_work: &'a AtomicUsize) -> Self {
        Self {
            in_work,
            number: in_work.fetch_add(1, Ordering::Relaxed),
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.in_work.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn drain(body: RequestBody) {
    let mut body = pin!(body);
    while let Some(Ok(_)) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {}
}

/// The edge, on one connection.
pub(crate) struct EdgeService {
    pub(crate) edge: Arc<Edge>,
    pub(crate) activity: Arc<Activity>,
}

impl hyper::service::Service<Asked> for EdgeService {
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future = Pin<Box<dyn Future<Output = Answered> + Send>>;

    fn call(&self, request: Asked) -> Self::Future {
        Box::pin(Arc::clone(&self.edge).serve(Arc::clone(&self.activity), request))
    }
}
