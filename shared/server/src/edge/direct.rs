//! What a role answers before routing.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::body::Body;
use http::{HeaderMap, Method, Response, Uri};
use problem::Problem;
use telemetry::TraceContext;

use super::drive::message;
use crate::connection::Asked;
use crate::context::{CONTEXT, RequestContext};

type Answer = dyn Fn(&Method, &Uri, &HeaderMap) -> Option<Response<Body>> + Send + Sync;

/// Answers of one route that need no waiting, tried before the router: for a role's hottest path, where the router with its
/// boxes is a tenth of the cost. `None` leaves the request to the router, as if nothing had been tried. Only requests without a
/// body are tried. Limits, spans, metrics and the fate of a panic are as for every other request.
pub struct Direct {
    pub(super) route: &'static str,
    answer: Box<Answer>,
}

impl Direct {
    /// Answers in place of the handler of `route`.
    pub fn new(
        route: &'static str,
        answer: impl Fn(&Method, &Uri, &HeaderMap) -> Option<Response<Body>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            route,
            answer: Box::new(answer),
        }
    }

    /// The answer, or the context back for the router.
    pub(super) fn answered(
        &self,
        trace: TraceContext,
        context: RequestContext,
        request: &Asked,
    ) -> Result<Result<Response<Body>, Problem>, RequestContext> {
        let again = context.again();
        let answer = || (self.answer)(request.method(), request.uri(), request.headers());
        let scoped = || CONTEXT.sync_scope(context, || trace.sync_scope(answer));
        // Unwind safety: as for handlers, what a panic leaves behind has its own say (poisoning).
        match catch_unwind(AssertUnwindSafe(scoped)) {
            Ok(Some(response)) => Ok(Ok(response)),
            Ok(None) => Err(again),
            Err(payload) => Ok(Err(Problem::internal(format!(
                "panic: {}",
                message(payload.as_ref())
            )))),
        }
    }
}

impl fmt::Debug for Direct {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Direct").field(&self.route).finish()
    }
}
