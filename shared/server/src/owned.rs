//! Writes that a client cannot cancel by going away.

use std::future::Future;
use std::panic;

use telemetry::TraceContext;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::context;

/// Runs `write` to its end in a task of its own and gives its value.
///
/// A client that disconnects, or a deadline that passes, drops only the waiting, not the write; a draining role
/// waits for it within its drain deadline. The trace goes along; the deadline does not, for a write that has begun is
/// settled, not dropped. A panic in the write is a panic here.
pub async fn owned<F>(write: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let tasks = context::with(|context| context.writes.clone());
    let task = match TraceContext::current() {
        Some(trace) => spawn(tasks, trace.scope(write)),
        None => spawn(tasks, write),
    };
    match task.await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(payload) => panic::resume_unwind(payload),
            // Only a runtime that is going away cancels it; whoever waits here goes with it.
            Err(_cancelled) => std::future::pending().await,
        },
    }
}

fn spawn<F>(tasks: Option<TaskTracker>, write: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match tasks {
        Some(tasks) => tasks.spawn(write),
        // Outside a request (a worker, a test) nobody drains by request either.
        None => tokio::spawn(write),
    }
}
