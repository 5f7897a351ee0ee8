//! From the queue to the stream: everything that waits becomes one append, many times a second. While a stream on another machine
//! is away, appends go into the spool.

use std::sync::Arc;

use server::Drain;
use streams::{Event, StreamError, StreamLog};
use telemetry::{Span, SpanKind, Telemetry};
use tokio::time::MissedTickBehavior;

use crate::clicks::{Click, ClickQueue, VISITS, VISITS_KIND, VisitEvent, VisitProducer};
use crate::config::ClickSettings;
use crate::metrics::Metrics;
use crate::workers::{ClickSpool, blames_the_events};

const SOURCE: &str = "/shortener";

/// Appends clicks to the stream.
pub(crate) struct ClickFlusher {
    /// Where redirects leave them.
    pub queue: Arc<ClickQueue>,
    /// Where they go.
    pub log: Arc<dyn StreamLog>,
    /// Where they wait while that one is away; without it they wait here, in memory.
    pub spool: Option<ClickSpool>,
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

/// Who has an append now, durably.
enum Taken {
    ByStream,
    BySpool,
}

impl ClickFlusher {
    /// Gathers and appends until `stop` begins, then appends what is left. `stop` is to begin after the last redirect was
    /// answered; from then on there is a deadline.
    pub(crate) async fn run(self, stop: Drain) {
        let (mut batch, mut producer) = (Vec::new(), VisitProducer::new());
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
            // A durable click is waited for: what comes while one append is under way is the next.
            if !self.settings.durable {
                tokio::select! {
                    () = stop.begun() => break,
                    _ = ticks.tick() => {}
                }
            }
            self.flush(&mut batch, &mut producer, &stop).await;
        }
        while !self.queue.is_empty() {
            self.flush(&mut batch, &mut producer, &stop).await;
        }
    }

    async fn flush(&self, batch: &mut Vec<Click>, producer: &mut VisitProducer, stop: &Drain) {
        let safe = self.queue.take(self.settings.append_clicks_max(), batch);
        match self.fold(batch, producer) {
            Ok(append) => {
                if self.append(append, stop).await {
                    for safe in safe {
                        // Whoever gave up waiting is gone.
                        let _ = safe.send(());
                    }
                }
            }
            Err(error) => self.lose(batch.len() as u64, error.code(), &error.to_string()),
        }
        batch.clear();
    }

    fn fold(&self, batch: &[Click], producer: &mut VisitProducer) -> Result<Append, StreamError> {
        let spans = self.producer_spans(batch);
        let mut folded = producer.fold(batch, self.settings.event_bounds());
        if let Some(first) = folded.first_mut() {
            let traces = spans
                .iter()
                .filter_map(Span::context)
                .map(|context| context.traceparent());
            first.traces = traces.collect();
        }
        let event = |visits: &VisitEvent| {
            // Numbered rather than issued: counting must go on while no id can be issued.
            let time_ms = visits.first_at_ms().unwrap_or_default();
            Event::new(visits.id(), SOURCE, VISITS_KIND, visits.key(), time_ms, visits)
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
                .attribute("messaging.destination.name", VISITS)
                .attribute("messaging.batch.message_count", batch.len());
            span
        };
        contexts.map(begin).take_while(Span::is_recording).collect()
    }

    /// Until it is done: what is appended twice for an unknown outcome has the same event ids, and so counts once. Whether they are safe.
    async fn append(&self, mut append: Append, stop: &Drain) -> bool {
        let out_of_time = async {
            stop.begun().await;
            tokio::time::sleep(self.settings.drain()).await;
        };
        let publish = self.publish_or_keep(&append.events);
        // One append for many clicks: what it asks of the engine is told under the first that is traced.
        let publish = async {
            match append.spans.first().and_then(Span::context) {
                Some(context) => context.scope(publish).await,
                None => publish.await,
            }
        };
        let failure = tokio::select! {
            outcome = publish => match outcome {
                Ok(Taken::ByStream) => {
                    self.metrics.clicks_published.inc_by(append.clicks);
                    return true;
                }
                Ok(Taken::BySpool) => {
                    self.metrics.clicks_spooled.inc_by(append.clicks);
                    return true;
                }
                Err(error) => (error.code(), error.to_string()),
            },
            () = out_of_time => ("drain_deadline", "the service stopped before the stream took them".to_owned()),
        };
        let (code, cause) = failure;
        for span in &mut append.spans {
            span.fail(code);
        }
        self.lose(append.clicks, code, &cause);
        false
    }

    /// Tries for as long as it takes; but where there is a spool, the stream has one try of limited time.
    async fn publish_or_keep(&self, events: &[Event]) -> Result<Taken, StreamError> {
        let mut failing = false;
        loop {
            let failure = match self.publish(events).await {
                Ok(taken) => return Ok(taken),
                Err(error) if blames_the_events(&error) => return Err(error),
                Err(error) => error,
            };
            // Said once, not ten times a second.
            if !std::mem::replace(&mut failing, true) {
                tracing::warn!(error = %failure, code = failure.code(), "clicks cannot be appended; trying on");
            }
            tokio::time::sleep(self.settings.retry()).await;
        }
    }

    async fn publish(&self, events: &[Event]) -> Result<Taken, StreamError> {
        let Some(spool) = &self.spool else {
            self.log.publish(VISITS, events).await?;
            return Ok(Taken::ByStream);
        };
        if !spool.stream_is_away() {
            let append = self.log.publish(VISITS, events);
            match tokio::time::timeout(self.settings.append_timeout(), append).await {
                Ok(Ok(_)) => return Ok(Taken::ByStream),
                Ok(Err(error)) if blames_the_events(&error) => return Err(error),
                Ok(Err(error)) => {
                    tracing::warn!(%error, code = error.code(), "the stream is away: clicks wait in the spool");
                }
                Err(_) => tracing::warn!("the stream does not answer: clicks wait in the spool"),
            }
        }
        // Whether the stream took them unnoticed does not matter: sent on from the spool they have the same event ids.
        spool.keep(events).await?;
        Ok(Taken::BySpool)
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
