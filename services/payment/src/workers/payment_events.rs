//! What the consumers of payment events have in common: where they read, what they make of an event, and the trace it belongs to.

use clock::SharedClock;
use identity::Tenant;
use serde::Deserialize;
use streams::{Event, HandlerError};
use telemetry::{Span, SpanKind, Telemetry, TraceContext};

use crate::payment::referred;
use crate::store::StoreError;
use crate::store::receipts::{Effect, Happened, RefundTold};

/// The stream of everything that payments tell; what the ledger committed has its own.
pub(crate) const STREAM: &str = "payment";

/// What is read of an event's data.
#[derive(Deserialize)]
struct About {
    refund: Option<RefundTold>,
}

/// A consumer span in the event's trace, and what the event says; what follows from it hangs below the span.
pub(super) fn happened(
    telemetry: &Telemetry,
    clock: &SharedClock,
    group: &'static str,
    event: &Event,
) -> Result<(Span, Happened), HandlerError> {
    let parent = event.traceparent.as_deref().and_then(TraceContext::parse);
    let mut span = telemetry.span("process payment event", SpanKind::Consumer, parent);
    span.attribute("messaging.system", "orrery_streams")
        .attribute("messaging.operation.name", "process")
        .attribute("messaging.operation.type", "process")
        .attribute("messaging.destination.name", STREAM)
        .attribute("messaging.consumer.group.name", group)
        .attribute("messaging.message.id", event.id.clone());
    let tenant = event.tenant.as_deref().map(Tenant::parse);
    let (Some(Ok(tenant)), Some(payment_id)) = (tenant, referred(&event.key)) else {
        span.fail("malformed_event");
        let reason = "an event of a payment names its tenant, and its payment as the key";
        return Err(HandlerError::Poison(reason.to_owned()));
    };
    let context = span.context().map(|context| context.traceparent());
    let happened = Happened {
        tenant,
        payment_id,
        event_id: event.id.clone(),
        kind: event.kind.clone(),
        refund: serde_json::from_str(&event.data)
            .ok()
            .and_then(|data: About| data.refund),
        traceparent: context.or_else(|| event.traceparent.clone()),
        now_ms: clock.unix_ms(),
    };
    Ok((span, happened))
}

/// What the consumer is told of an effect. The store is waited for as long as it takes: that is no fault of the event.
pub(super) fn handled(span: &mut Span, effect: Result<Effect, StoreError>) -> Result<(), HandlerError> {
    match effect {
        Ok(Effect::Now | Effect::Before) => Ok(()),
        Ok(Effect::NoPayment) => {
            span.fail("payment_not_found");
            Err(HandlerError::Poison("there is no such payment".to_owned()))
        }
        Err(error) => {
            span.fail(error.code());
            if error.retryable() || error.is_unknown() {
                Err(HandlerError::Unavailable(error.to_string()))
            } else {
                Err(HandlerError::Retry(error.to_string()))
            }
        }
    }
}
