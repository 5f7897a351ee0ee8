//! Runs a handler until it answers, panics, or runs out of time.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::Sleep;

/// Why there is no answer.
pub(super) enum Stopped {
    Deadline,
    /// With the panic's message, for the log.
    Panic(String),
}

/// The timer is armed only when the handler first has to wait: a redirect out of the cache never does.
pub(super) async fn drive<F: Future>(
    mut handler: Pin<&mut F>,
    remaining: Duration,
) -> Result<F::Output, Stopped> {
    let mut timer = pin!(None::<Sleep>);
    poll_fn(|cx| {
        // Unwind safety: after a panic the handler is only dropped, and what it shares has its own say (poisoning).
        match catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(cx))) {
            Ok(Poll::Ready(output)) => return Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => {}
            Err(payload) => return Poll::Ready(Err(Stopped::Panic(message(payload.as_ref())))),
        }
        if timer.is_none() {
            timer.set(Some(tokio::time::sleep(remaining)));
        }
        match timer.as_mut().as_pin_mut() {
            Some(timer) => timer.poll(cx).map(|()| Err(Stopped::Deadline)),
            None => Poll::Pending,
        }
    })
    .await
}

pub(super) fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message").to_owned()
}
