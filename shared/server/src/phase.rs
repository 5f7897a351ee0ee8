//! How far a role's drain has come, as its connections see it.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Context;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// What a connection has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Serve.
    Open,
    /// Serve still, and say with each answer that its connection ends with it: a client that sends its next request just when we
    /// close would not know whether we had it.
    Leaving,
    /// End what is in flight, take nothing new.
    Closing,
    /// Stop now.
    Cut,
}

/// A phase that only moves forward. Looking costs one atomic load; a waker is registered once a phase, not once a poll.
#[derive(Debug, Default)]
pub(crate) struct Phases {
    phase: AtomicU8,
    moved: Notify,
}

impl Phases {
    pub(crate) fn now(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Open,
            1 => Phase::Leaving,
            2 => Phase::Closing,
            _ => Phase::Cut,
        }
    }

    pub(crate) fn move_to(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::Release);
        self.moved.notify_waiters();
    }

    /// Waits until the phase is `phase` or later.
    pub(crate) async fn reached(&self, phase: Phase) {
        loop {
            let moved = self.moved.notified();
            if self.now() >= phase {
                return;
            }
            moved.await;
        }
    }

    pub(crate) fn moved(&self) -> Notified<'_> {
        self.moved.notified()
    }
}

/// Registers the task once; after that only [`Phases::now`] needs to be looked at until it moves.
pub(crate) fn register(moved: Pin<&mut Notified<'_>>, cx: &mut Context<'_>) {
    let _ = moved.poll(cx);
}
