//! Tells the edge which route axum has matched.

use std::task::{Context, Poll};

use axum::extract::{MatchedPath, Request};
use tower::{Layer, Service};

use crate::context;

/// axum puts the matched path into the request, which the handler consumes; so it is noted on its way in. No future is
/// wrapped and nothing is put into the response. An unmatched request has none, and its label stays `unmatched`.
#[derive(Clone, Copy, Debug)]
pub(super) struct NoteRoute;

impl<S> Layer<S> for NoteRoute {
    type Service = Noting<S>;

    fn layer(&self, inner: S) -> Noting<S> {
        Noting(inner)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Noting<S>(S);

impl<S: Service<Request>> Service<Request> for Noting<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> S::Future {
        if let Some(path) = request.extensions().get::<MatchedPath>() {
            context::with(|context| context.route.replace(Some(path.clone())));
        }
        self.0.call(request)
    }
}
