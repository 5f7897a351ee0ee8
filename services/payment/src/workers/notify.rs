//! Merchants are told of payments: that one was captured once its receipt is there, that one failed, that money went back.

use async_trait::async_trait;
use clock::SharedClock;
use outbox::Bell;
use streams::{Delivery, Handler, HandlerError};
use telemetry::Telemetry;

use super::payment_events::{handled, happened};
use crate::store::receipts::SharedReceipts;

/// Its progress in the stream.
pub(crate) const NOTIFY_GROUP: &str = "notify";

/// Of everything else, nobody is told.
const TOLD: [&str; 3] = ["payment.receipt_issued", "payment.refunded", "payment.failed"];

/// Puts webhooks in line.
pub(crate) struct NotifyMerchants {
    /// The port.
    pub receipts: SharedReceipts,
    /// What a notification is dated by.
    pub clock: SharedClock,
    /// Makes the consumer spans.
    pub telemetry: Telemetry,
    /// Rung when something was told.
    pub bell: Bell,
}

#[async_trait]
impl Handler for NotifyMerchants {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        let event = &delivery.event;
        if !TOLD.contains(&event.kind.as_str()) {
            return Ok(());
        }
        let (mut span, happened) = happened(&self.telemetry, &self.clock, NOTIFY_GROUP, event)?;
        handled(&mut span, self.receipts.notify(&happened).await)?;
        self.bell.ring(&event.key);
        Ok(())
    }
}
