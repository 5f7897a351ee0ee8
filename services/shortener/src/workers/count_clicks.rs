//! From the stream `clicks`, which only older versions publish to, into `link_clicks`. Today's clicks are
//! [`project_visits`](super::project_visits)'s.

use std::sync::Arc;

use async_trait::async_trait;
use clock::SharedClock;
use streams::{Delivery, Handler, HandlerError};
use telemetry::{Span, Telemetry};

use super::spans::consumer_spans;
use crate::clicks::{FORMER_GROUP, FORMER_STREAM, FormerClickEvent};
use crate::metrics::Metrics;
use crate::store::LinkStore;

/// Adds each click event to the counts, once: its id is remembered in the same transaction.
pub(crate) struct CountClicks {
    /// The port.
    pub store: Arc<dyn LinkStore>,
    /// Says when an event was counted.
    pub clock: SharedClock,
    /// Makes the consumer spans.
    pub telemetry: Telemetry,
    /// What is counted.
    pub metrics: Metrics,
}

#[async_trait]
impl Handler for CountClicks {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        let event = &delivery.event;
        // The reader's message may quote the data; what kind of failure it was says enough.
        let clicks: FormerClickEvent = event
            .decode()
            .map_err(|error| HandlerError::Poison(format!("no click event: {:?}", error.classify())))?;
        let mut spans = consumer_spans(
            &self.telemetry,
            &clicks.traces,
            FORMER_STREAM,
            FORMER_GROUP,
            &event.id,
        );
        let now_ms = self.clock.unix_ms();
        let batch = clicks.sums(&event.id, now_ms);
        let add = self.store.add_clicks(&batch);
        let added = match spans.first().and_then(Span::context) {
            Some(context) => context.scope(add).await,
            None => add.await,
        };
        match added {
            Ok(true) => {
                self.metrics.clicks_counted.inc_by(clicks.clicks());
                if let Some(first_at_ms) = clicks.first_at_ms() {
                    let lag = std::time::Duration::from_millis(now_ms.saturating_sub(first_at_ms));
                    self.metrics.click_lag.observe(lag.as_secs_f64());
                }
                Ok(())
            }
            // Redelivered after a crash between the count and its acknowledgement.
            Ok(false) => Ok(()),
            Err(error) => {
                for span in &mut spans {
                    span.fail(error.code());
                }
                // Whatever fails here is no fault of an event that could be read, so it is kept until the store works. An unknown
                // outcome is tried again too: if it stood, the event's id is there.
                Err(HandlerError::Unavailable(error.to_string()))
            }
        }
    }
}
