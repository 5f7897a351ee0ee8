//! Handing events over in batches.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Handler, HandlerError};
use crate::{Claim, Delivery};

/// What is done with events that came together.
#[async_trait]
pub trait BatchHandler: Send + Sync + 'static {
    /// Handles events of one partition, in their order. Those that are answered as handled are acked, so their effect stands. They may
    /// come again all the same, also to another holder of the claim, so the effect dedupes. What is remembered between two calls holds
    /// under this claim's epoch only. A panic, and taking longer than `handle_timeout_ms`, handles none; then each comes alone, until the
    /// one that is to blame is known.
    async fn handle(&self, claim: &Claim, batch: &[Delivery]) -> Handled;
}

/// How far a [`BatchHandler`] came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handled {
    /// The events that are done: so many from the beginning of the batch.
    pub events: usize,
    /// Why the one after them is not. Without it the whole batch is done.
    pub failure: Option<HandlerError>,
}

impl Handled {
    /// The whole batch is done.
    pub fn all(batch: &[Delivery]) -> Self {
        Self {
            events: batch.len(),
            failure: None,
        }
    }

    /// All before this event (counted from 0) are done, and it is not.
    pub fn until(event: usize, failure: HandlerError) -> Self {
        Self {
            events: event,
            failure: Some(failure),
        }
    }
}

/// A [`Handler`] is one of batches that are never larger than one event.
pub(super) struct EachAlone(pub(super) Arc<dyn Handler>);

#[async_trait]
impl BatchHandler for EachAlone {
    async fn handle(&self, _: &Claim, batch: &[Delivery]) -> Handled {
        for (number, delivery) in batch.iter().enumerate() {
            if let Err(failure) = self.0.handle(delivery).await {
                return Handled::until(number, failure);
            }
        }
        Handled::all(batch)
    }
}
