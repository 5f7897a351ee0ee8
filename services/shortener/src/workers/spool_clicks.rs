//! Clicks that the stream cannot take wait in a file of this machine: bounded, durable, and sent on by themselves once the
//! stream is back, in this process or the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use server::Drain;
use streams::{
    Consumer, ConsumerSettings, Delivery, Event, Group, Handler, HandlerError, StreamError, StreamLog,
};

use crate::clicks::{ClickEvent, STREAM};
use crate::metrics::Metrics;

/// The one reader of the spool: it sends on what it reads.
const RELAY: &str = "relay";

/// How long the relay waits between two tries at most: what bounds how long after the stream's return clicks still wait.
const RETRY_MS_MAX: u64 = 500;

/// A log of its own beside the stream. What it holds keeps its event ids, so that an append that reached the stream
/// unnoticed and was spooled all the same is counted once.
#[derive(Clone, Debug)]
pub(crate) struct ClickSpool {
    file: Arc<dyn StreamLog>,
    /// While the stream is away nobody waits for it again with each append; only the relay tries.
    stream_away: Arc<AtomicBool>,
}

impl ClickSpool {
    pub(crate) fn new(file: Arc<dyn StreamLog>) -> Self {
        Self {
            file,
            // What the last process left is sent on first; until then the stream has not proved itself.
            stream_away: Arc::default(),
        }
    }

    /// Whether the stream failed lately and the relay has not got through to it since.
    pub(crate) fn stream_is_away(&self) -> bool {
        self.stream_away.load(Ordering::Relaxed)
    }

    /// Keeps events that the stream did not take.
    pub(crate) async fn keep(&self, events: &[Event]) -> Result<(), StreamError> {
        self.file.publish(STREAM, events).await?;
        self.stream_away.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Sends on what is kept, as soon as the stream takes it, until `stop` begins.
    pub(crate) async fn relay(self, to: Arc<dyn StreamLog>, metrics: Metrics, stop: Drain) {
        let settings = ConsumerSettings {
            backoff_ms_max: RETRY_MS_MAX,
            ..ConsumerSettings::default()
        };
        let consumer = Consumer::new(Arc::clone(&self.file), Group::new(STREAM, RELAY), settings);
        let relay = Relay {
            to,
            metrics,
            stream_away: self.stream_away,
        };
        let stopped = async { stop.begun().await };
        consumer.run(Arc::new(relay), stopped).await;
    }
}

struct Relay {
    to: Arc<dyn StreamLog>,
    metrics: Metrics,
    stream_away: Arc<AtomicBool>,
}

#[async_trait]
impl Handler for Relay {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        let event = &delivery.event;
        match self.to.publish(STREAM, std::slice::from_ref(event)).await {
            Ok(_) => {
                self.stream_away.store(false, Ordering::Relaxed);
                let clicks = event.decode::<ClickEvent>().map_or(0, |clicks| clicks.clicks());
                self.metrics.clicks_published.inc_by(clicks);
                Ok(())
            }
            // An unknown outcome too: sent again, it is the same event.
            Err(error) if error.retryable() => {
                self.stream_away.store(true, Ordering::Relaxed);
                Err(HandlerError::Unavailable(error.to_string()))
            }
            Err(error) => Err(HandlerError::Poison(error.to_string())),
        }
    }
}
