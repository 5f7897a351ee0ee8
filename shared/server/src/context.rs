//! What the edge and the parts below it tell each other about one request, without allocating.

use std::cell::RefCell;
use std::net::SocketAddr;

use axum::extract::MatchedPath;
use tokio_util::task::TaskTracker;

use crate::request_id::RequestId;

tokio::task_local! {
    pub(crate) static CONTEXT: RequestContext;
}

/// Lives in the task-local of the task that serves the request.
#[derive(Debug)]
pub(crate) struct RequestContext {
    pub(crate) request_id: RequestId,
    pub(crate) peer: Option<SocketAddr>,
    /// Filled by [`NoteRoute`] once axum has matched.
    pub(crate) route: RefCell<Option<MatchedPath>>,
    /// Writes that outlive the request, until the role has drained.
    pub(crate) writes: TaskTracker,
}

impl RequestContext {
    /// The same once more, before anything was routed.
    pub(crate) fn again(&self) -> Self {
        Self {
            request_id: self.request_id.clone(),
            peer: self.peer,
            route: RefCell::default(),
            writes: self.writes.clone(),
        }
    }
}

pub(crate) fn with<T>(read: impl FnOnce(&RequestContext) -> T) -> Option<T> {
    CONTEXT.try_with(read).ok()
}

/// The address at the other end of the connection that the running request came on.
pub fn peer() -> Option<SocketAddr> {
    with(|context| context.peer).flatten()
}
