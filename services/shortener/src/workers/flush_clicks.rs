//! From the queue to the stream: everything that waits becomes one append, a few times a second.

use std::sync::Arc;

use server::Drain;
use streams::{Event, StreamError, StreamLog};
use telemetry::{Span, SpanKind, Telemetry};
use tokio::time::MissedTickBehavior;

use crate::clicks::{Click, ClickEvent, ClickQueue, STREAM};
use crate::config::ClickSettings;
use crate::metrics::Metrics;

const SOURCE: &str = "/shortener";
const KIND: &str = "orrery.links.clicked";

/// Appends clicks to the stream.
pub(crate) struct ClickFlusher {
    /// Where redirects leave them.
    pub queue: Arc<ClickQueue>,
    /// Where they go.
    pub log: Arc<dyn StreamLog>,
    /// Makes the producer spans.
    pub telemetry: Telemetry,
    /// What is counted.
    pub metrics: Metrics,
    /// The bounds.
    pub settings: ClickSettings,
}

/// Clicks on their way: what is appended, and the spans of those that are traced, which end when it is done.
struct Append {
    clicks: u64,
    events: Vec<Event>,
    spans: Vec<Span>,
}

impl ClickFlusher {
    /// Gathers and appends until `stop` begins, then appends what is left. `stop` is to begin after the last redirect was
    /// answered; from then on there is a deadline.
    pub(crate) async fn run(self, stop: Drain) {
        let mut batch = Vec::new();
        // From start to start, not from end to start: a click waits for one interval or one append, never for both.
        let mut ticks = tokio::time::interval(self.settings.flush_interval());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Without this the first tick would come at once.
        ticks.reset();
        loop {
            tokio::select! {
                () = stop.begun() => break,
                () = self.queue.arrived() => {}
            }
            tokio::select! {
                () = stop.begun() => break,
                _ = ticks.tick() => {}
            }
            self.flush(&mut batch, &stop).await;
        }
        while !self.queue.is_empty() {
            self.flush(&mut batch, &stop).await;
        }
    }

    async fn flush(&self, batch: &mut Vec<Click>, stop: &Drain) {
        self.queue.take(self.settings.append_clicks_max(), batch);
        match self.fold(batch) {
            Ok(append) => self.append(append, stop).await,
            Err(error) => self.lose(batch.len() as u64, error.code(), &error.to_string()),
        }
        batch.clear();
    }

    fn fold(&self, batch: &[Click]) -> Result<Append, StreamError> {
        let spans = self.producer_spans(batch);
        let mut folded = ClickEvent::fold(batch, self.settings.event_bounds());
        if let Some(first) = folded.first_mut() {
            let traces = spans
                .iter()
                .filter_map(Span::context)
                .map(|context| context.traceparent());
            first.traces = traces.collect();
        }
        let event = |click_event: &ClickEvent| {
            // Random rather than issued: counting must go on while no id can be issued.
            let id = format!("{:032x}", rand::random::<u128>());
            let time_ms = click_event.first_at_ms().unwrap_or_default();
            // Sums need no order, so each event may take any partition: one that fails holds up few others.
            Event::new(id.clone(), SOURCE, KIND, id, time_ms, click_event)
        };
        let events = folded.iter().map(event).collect::<Result<_, _>>()?;
        Ok(Append {
            clicks: batch.len() as u64,
            events,
            spans,
        })
    }

    /// Only for clicks whose request was sampled, and for a bounded number of them.
    fn producer_spans(&self, batch: &[Click]) -> Vec<Span> {
        let contexts = batch
            .iter()
            .filter_map(|click| click.context)
            .take(self.settings.event_traces_max);
        let begin = |context| {
            let mut span = self
                .telemetry
                .span("send clicks", SpanKind::Producer, Some(context));
            span.attribute("messaging.system", "orrery_streams")
                .attribute("messaging.operation.name", "send")
                .attribute("messaging.operation.type", "send")
                .attribute("messaging.destination.name", STREAM)
                .attribute("messaging.batch.message_count", batch.len());
            span
        };
        contexts.map(begin).take_while(Span::is_recording).collect()
    }

    /// Until it is done: what is appended twice for an unknown outcome has the same event ids, and so counts once.
    async fn append(&self, mut append: Append, stop: &Drain) {
        let out_of_time = async {
            stop.begun().await;
            tokio::time::sleep(self.settings.drain()).await;
        };
        let failure = tokio::select! {
            outcome = self.publish(&append.events) => outcome.err().map(|error| (error.code(), error.to_string())),
            () = out_of_time => Some(("drain_deadline", "the service stopped before the stream took them".to_owned())),
        };
        let Some((code, cause)) = failure else {
            self.metrics.clicks_published.inc_by(append.clicks);
            return;
        };
        for span in &mut append.spans {
            span.fail(code);
        }
        self.lose(append.clicks, code, &cause);
    }

    async fn publish(&self, events: &[Event]) -> Result<(), StreamError> {
        let mut failing = false;
        loop {
            match self.log.publish(STREAM, events).await {
                Ok(_) => return Ok(()),
                Err(error) if error.retryable() => {
                    // Said once, not ten times a second.
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(%error, code = error.code(), "clicks cannot be appended; trying on");
                    }
                    tokio::time::sleep(self.settings.retry()).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn lose(&self, clicks: u64, code: &'static str, cause: &str) {
        self.metrics.clicks_lost.inc_by(clicks);
        tracing::error!(
            clicks,
            code,
            cause,
            "clicks could not be appended and are not counted"
        );
    }
}
