//! Bodies with a bound: how large and how slow a request's may be, and how long a response's keeps its connection busy.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use crate::connection::{Activity, Busy};

/// How many times its limit an oversized body may have and still be read to its end (and thrown away): a client that
/// writes before it reads would otherwise see a reset connection instead of our 413.
const SWALLOW_FACTOR: usize = 16;

/// Why a body ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Larger than this many bytes.
    TooLarge(usize),
    TooSlow,
    /// Not framed as its headers say, or the client went away.
    Broken,
}

/// Tells the edge of a fault, whatever the handler made of the broken body.
#[derive(Debug)]
pub(crate) struct Fate {
    mark: AtomicU8,
    bytes_max: usize,
}

impl Fate {
    pub(crate) fn within(bytes_max: usize) -> Self {
        Self {
            mark: AtomicU8::new(0),
            bytes_max,
        }
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        match self.mark.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Fault::TooLarge(self.bytes_max)),
            2 => Some(Fault::TooSlow),
            _ => Some(Fault::Broken),
        }
    }

    fn seal(&self, fault: Fault) {
        let mark = match fault {
            Fault::TooLarge(_) => 1,
            Fault::TooSlow => 2,
            Fault::Broken => 3,
        };
        self.mark.store(mark, Ordering::Release);
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is larger than allowed")]
    TooLarge,
    #[error("the body took too long to arrive")]
    TooSlow,
    #[error("the body broke off: {0}")]
    Broken(#[from] hyper::Error),
}

/// A request body that is bounded in bytes and in time, chunked or not.
#[derive(Debug)]
pub(crate) struct RequestBody {
    inner: Incoming,
    left: usize,
    swallow_left: usize,
    oversized: bool,
    timeout: Duration,
    // Armed when the body first keeps us waiting, which most bodies never do.
    sleep: Option<Pin<Box<Sleep>>>,
    fate: Arc<Fate>,
}

impl RequestBody {
    pub(crate) fn new(inner: Incoming, timeout: Duration, fate: Arc<Fate>) -> Self {
        let bytes_max = fate.bytes_max;
        let oversized = inner.size_hint().lower() > bytes_max as u64;
        let swallow_left = bytes_max.saturating_mul(SWALLOW_FACTOR);
        Self {
            inner,
            left: bytes_max,
            swallow_left,
            oversized,
            timeout,
            sleep: None,
            fate,
        }
    }

    /// Whether its declared length is already too much.
    pub(crate) fn oversized(&self) -> bool {
        self.oversized
    }

    fn end(&self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.fate.seal(match &error {
            BodyError::TooLarge => Fault::TooLarge(self.fate.bytes_max),
            BodyError::TooSlow => Fault::TooSlow,
            BodyError::Broken(_) => Fault::Broken,
        });
        Poll::Ready(Some(Err(error)))
    }

    fn too_slow(&mut self, cx: &mut Context<'_>) -> bool {
        let timeout = self.timeout;
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        sleep.as_mut().poll(cx).is_ready()
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let frame = match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending if self.too_slow(cx) => return self.end(BodyError::TooSlow),
                Poll::Pending => return Poll::Pending,
            };
            let frame = match frame {
                Some(Ok(frame)) => frame,
                _ if self.oversized => return self.end(BodyError::TooLarge),
                Some(Err(error)) => return self.end(BodyError::Broken(error)),
                None => return Poll::Ready(None),
            };
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            if !self.oversized && bytes <= self.left {
                self.left -= bytes;
                return Poll::Ready(Some(Ok(frame)));
            }
            self.oversized = true;
            if bytes > self.swallow_left {
                return self.end(BodyError::TooLarge);
            }
            self.swallow_left -= bytes;
        }
    }

    fn is_end_stream(&self) -> bool {
        !self.oversized && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Responses that are known to be no larger than this are written at once and need no watching.
const WATCHED_FROM_BYTES: u64 = 64 * 1024;

/// Tells the connection's watch who keeps whom waiting: as long as we are the slow one it is busy; once there is something to
/// send it is the reader's turn, and a reader that takes nothing is cut like a client that sends nothing.
pub(crate) fn watched(body: Body, busy: Busy) -> Body {
    if body
        .size_hint()
        .exact()
        .is_some_and(|bytes| bytes <= WATCHED_FROM_BYTES)
    {
        return body;
    }
    let activity = busy.activity();
    Body::new(ResponseBody {
        inner: body,
        activity,
        busy: Some(busy),
    })
}

struct ResponseBody {
    inner: Body,
    activity: Arc<Activity>,
    busy: Option<Busy>,
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        self.busy = match frame {
            Poll::Ready(_) => None,
            Poll::Pending => {
                let waiting = self.busy.take();
                Some(waiting.unwrap_or_else(|| Busy::mark(Arc::clone(&self.activity))))
            }
        };
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
