//! `payment.captured` is followed by a receipt, and `payment.refunded` of the whole voids it.

use async_trait::async_trait;
use clock::SharedClock;
use outbox::Bell;
use streams::{Delivery, Handler, HandlerError};
use telemetry::Telemetry;

use super::payment_events::{handled, happened};
use crate::store::receipts::SharedReceipts;

/// Its progress in the stream.
pub(crate) const RECEIPTS_GROUP: &str = "receipts";

/// Writes receipts.
pub(crate) struct IssueReceipts {
    /// The port.
    pub receipts: SharedReceipts,
    /// What a receipt is dated by.
    pub clock: SharedClock,
    /// Makes the consumer spans.
    pub telemetry: Telemetry,
    /// Rung when something was told.
    pub bell: Bell,
}

#[async_trait]
impl Handler for IssueReceipts {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        let event = &delivery.event;
        let is_captured = event.kind == "payment.captured";
        if !is_captured && event.kind != "payment.refunded" {
            return Ok(());
        }
        let (mut span, happened) = happened(&self.telemetry, &self.clock, RECEIPTS_GROUP, event)?;
        let effect = if is_captured {
            self.receipts.issue(&happened).await
        } else {
            self.receipts.void(&happened).await
        };
        handled(&mut span, effect)?;
        self.bell.ring(&event.key);
        Ok(())
    }
}
