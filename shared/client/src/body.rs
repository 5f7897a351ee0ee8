//! The body of an answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use clock::SharedClock;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use resilience::Deadline;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;

use crate::ClientError;

/// The streamed body of an answer: it ends with [`ClientError::Timeout`] when it does not come before the deadline, so
/// that a peer which stalls half-way cannot hang its caller.
#[derive(Debug)]
pub struct ResponseBody {
    inner: Incoming,
    deadline: Deadline,
    clock: SharedClock,
    // Armed when the body first keeps us waiting.
    sleep: Option<Pin<Box<Sleep>>>,
    _slot: OwnedSemaphorePermit,
}

impl ResponseBody {
    pub(crate) fn new(
        inner: Incoming,
        deadline: Deadline,
        clock: SharedClock,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            inner,
            deadline,
            clock,
            sleep: None,
            _slot: slot,
        }
    }

    fn over(&mut self, cx: &mut Context<'_>) -> bool {
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(self.deadline.remaining(&*self.clock))));
        sleep.as_mut().poll(cx).is_ready()
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ClientError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientError>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(frame.map(|frame| {
                frame.map_err(|error| ClientError::Broken {
                    peer: "the peer".to_owned(),
                    cause: error.to_string(),
                })
            })),
            Poll::Pending if self.over(cx) => Poll::Ready(Some(Err(ClientError::Timeout))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
