//! The edge: everything that every request passes through, as one hand-written service around the axum router.
//!
//! It is on the redirect path, so it adds no middleware stack and no timer before the handler first has to wait. What
//! needs no waiting happens in `call`, for what an async function holds is copied with it; what a role can answer without
//! waiting at all ([`Direct`]) needs neither router nor future. The matched route is known only inside axum; [`NoteRoute`]
//! is the one layer, it runs synchronously and writes into the task-local that is there anyway.

mod answering;
mod direct;
mod drive;
mod exchange;
mod note_route;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use axum::Router;
use axum::body::Body;
use clock::SharedClock;
use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Request, Response};
use http_body::Body as _;
use problem::Problem;
use telemetry::Telemetry;
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::body::{Fate, Fault, RequestBody};
use crate::connection::{Activity, Asked};
use crate::context::CONTEXT;
use crate::metrics::ServerMetrics;
use crate::phase::Phases;
use crate::request_id::RequestIds;
use crate::role::Serving;
use crate::settings::ServerSettings;
use answering::Answering;
pub use direct::Direct;
use exchange::Exchange;
use note_route::NoteRoute;

/// One role's API as hyper sees it.
pub(crate) struct Edge {
    router: Router,
    clock: SharedClock,
    telemetry: Telemetry,
    metrics: ServerMetrics,
    settings: ServerSettings,
    serving: Serving,
    request_ids: RequestIds,
    in_work: AtomicUsize,
    writes: TaskTracker,
    phases: Arc<Phases>,
}

/// A request with its bounds.
enum Bounded {
    Fits(Request<Body>, Option<Arc<Fate>>),
    /// It says itself that it is too large; the body is there when the client is sending it already.
    TooLarge(Option<RequestBody>, Fault),
}

impl Edge {
    pub(crate) fn new(
        router: Router,
        clock: SharedClock,
        telemetry: Telemetry,
        settings: ServerSettings,
        serving: Serving,
        writes: TaskTracker,
        phases: Arc<Phases>,
    ) -> Self {
        Self {
            router: router.layer(NoteRoute),
            clock,
            metrics: ServerMetrics::register(&telemetry),
            telemetry,
            settings,
            serving,
            request_ids: RequestIds::new(),
            in_work: AtomicUsize::new(0),
            writes,
            phases,
        }
    }

    fn answer(self: Arc<Self>, activity: Arc<Activity>, request: Asked) -> Answering {
        let (exchange, context) = Exchange::begin(Arc::clone(&self), activity, &request);
        if let Some(problem) = exchange.refusal(&request) {
            return Answering::Done(Some(exchange.refuse(problem)));
        }
        let context = match &self.serving.direct {
            Some(direct) if request.body().is_end_stream() => {
                match direct.answered(exchange.trace(), context, &request) {
                    Ok(outcome) => return Answering::Done(Some(exchange.finish(outcome, direct.route))),
                    Err(context) => context,
                }
            }
            _ => context,
        };
        match self.bounded(request) {
            Bounded::Fits(request, fate) => {
                let handler = self.router.clone().call(request);
                let work = exchange.deadline().scope(exchange.trace().scope(handler));
                Answering::Waiting(Box::pin(exchange.run(CONTEXT.scope(context, work), fate)))
            }
            Bounded::TooLarge(body, fault) => Answering::Waiting(Box::pin(async move {
                if let Some(body) = body {
                    drain(body).await;
                }
                let problem = Self::fault(fault);
                Ok(exchange.refuse(problem))
            })),
        }
    }

    fn bounded(&self, request: Asked) -> Bounded {
        if request.body().is_end_stream() {
            // No box: an empty body has no size.
            return Bounded::Fits(request.map(|_| Body::empty()), None);
        }
        let bytes_max = self.serving.large.bytes_max(request.uri().path());
        let bytes_max = bytes_max.unwrap_or(self.settings.body_bytes_max);
        let fate = Arc::new(Fate::within(bytes_max));
        let (parts, incoming) = request.into_parts();
        let timeout = self.settings.body_read_timeout();
        let body = RequestBody::new(incoming, timeout, Arc::clone(&fate));
        if !body.oversized() {
            return Bounded::Fits(Request::from_parts(parts, Body::new(body)), Some(fate));
        }
        // One that waits for our 100 has sent nothing yet and reads the answer.
        let body = (!parts.headers.contains_key(EXPECT)).then_some(body);
        Bounded::TooLarge(body, Fault::TooLarge(bytes_max))
    }

    fn fault(fault: Fault) -> Problem {
        let problem = match fault {
            Fault::TooLarge(bytes_max) => Problem::payload_too_large(bytes_max),
            Fault::TooSlow => Problem::request_timeout(),
            Fault::Broken => {
                Problem::malformed("incomplete_body", "the body is not framed as its headers say")
            }
        };
        problem.header(CONNECTION, HeaderValue::from_static("close"))
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
    type Future = Answering;

    fn call(&self, request: Asked) -> Answering {
        Arc::clone(&self.edge).answer(Arc::clone(&self.activity), request)
    }
}
