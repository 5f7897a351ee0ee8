//! Clicks that the stream cannot take wait in a file of this machine: bounded, durable, and sent on by themselves once the
//! stream is back, in this process or the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use server::Drain;
use streams::{
    Consumer, ConsumerSettings, Delivery, Event, Group, Handler, HandlerError, StreamError, StreamLog,
};

use crate::clicks::{FORMER_STREAM, FormerClickEvent, VISITS, VisitEvent};
use crate::metrics::Metrics;

/// The one reader of the spool: it sends on what it reads.
const RELAY: &str = "relay";

/// How long the relay waits between two tries at most: what bounds how long after the stream's return clicks still wait.
const RETRY_MS_MAX: u64 = 500;

/// Longer than the stream's own deadlines, so that these say what was wrong.
const RELAY_TIMEOUT_MS: u64 = 60_000;

/// Whether a stream that failed so would fail so for ever: everything else is the server's state, and passes.
pub(crate) fn blames_the_events(error: &StreamError) -> bool {
    matches!(
        error,
        StreamError::Invalid { .. } | StreamError::TooLarge { .. } | StreamError::BatchTooLarge { .. }
    )
}

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
            // The stream is taken to be there until it fails.
            stream_away: Arc::default(),
        }
    }

    /// Whether the stream failed lately and the relay has not got through to it since.
    pub(crate) fn stream_is_away(&self) -> bool {
        self.stream_away.load(Ordering::Relaxed)
    }

    /// Keeps events that the stream did not take.
    pub(crate) async fn keep(&self, events: &[Event]) -> Result<(), StreamError> {
        // First: the relay may be so quick that it takes it back before the file has answered.
        self.stream_away.store(true, Ordering::Relaxed);
        self.file.publish(VISITS, events).await.map(drop)
    }

    /// Sends on what is kept, as soon as the stream takes it, until `stop` begins.
    pub(crate) async fn relay(self, to: Arc<dyn StreamLog>, metrics: Metrics, stop: Drain) {
        let settings = ConsumerSettings {
            backoff_ms_max: RETRY_MS_MAX,
            // Nobody looks for dead letters in a spool: an event is sent on until the stream has it.
            deliveries_max: u32::MAX,
            handle_timeout_ms: RELAY_TIMEOUT_MS,
            ..ConsumerSettings::default()
        };
        let relay = |stream: &'static str| {
            let consumer = Consumer::new(
                Arc::clone(&self.file),
                Group::new(stream, RELAY),
                settings.clone(),
            );
            let relay = Relay {
                stream,
                to: Arc::clone(&to),
                metrics: metrics.clone(),
                stream_away: Arc::clone(&self.stream_away),
            };
            consumer.run(Arc::new(relay), stop.begun())
        };
        // The older stream's are what an older version left in the file.
        tokio::join!(relay(VISITS), relay(FORMER_STREAM));
    }
}

struct Relay {
    /// In the spool and behind it.
    stream: &'static str,
    to: Arc<dyn StreamLog>,
    metrics: Metrics,
    stream_away: Arc<AtomicBool>,
}

#[async_trait]
impl Handler for Relay {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        let event = &delivery.event;
        match self.to.publish(self.stream, std::slice::from_ref(event)).await {
            Ok(_) => {
                self.stream_away.store(false, Ordering::Relaxed);
                let clicks = clicks_of(event);
                self.metrics.clicks_published.inc_by(clicks);
                Ok(())
            }
            // An unknown outcome too: sent again, it is the same event.
            Err(error) if !blames_the_events(&error) => {
                self.stream_away.store(true, Ordering::Relaxed);
                Err(HandlerError::Unavailable(error.to_string()))
            }
            // The stream took events like it before, or it would not be in the spool: so its limits were made narrower since.
            // It is said aloud and counted as lost.
            Err(error) => {
                let clicks = clicks_of(event);
                self.metrics.clicks_lost.inc_by(clicks);
                tracing::error!(clicks, %error, code = error.code(), "the stream refuses spooled clicks for good");
                Ok(())
            }
        }
    }
}

/// How many clicks an event carries, of whichever version.
fn clicks_of(event: &Event) -> u64 {
    if let Ok(visits) = event.decode::<VisitEvent>() {
        return visits.clicks();
    }
    event
        .decode::<FormerClickEvent>()
        .map_or(0, |clicks| clicks.clicks())
}
