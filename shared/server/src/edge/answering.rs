//! An answer on its way to hyper.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use http::Response;

use crate::connection::Answered;

/// What was answered at once costs no box.
pub(crate) enum Answering {
    /// Taken by the first poll.
    Done(Option<Response<Body>>),
    Waiting(Pin<Box<dyn Future<Output = Answered> + Send>>),
}

impl Future for Answering {
    type Output = Answered;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answered> {
        match self.get_mut() {
            Self::Done(answer) => Poll::Ready(Ok(answer.take().expect("an answer is polled for once"))),
            Self::Waiting(answer) => answer.as_mut().poll(cx),
        }
    }
}
