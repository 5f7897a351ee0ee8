//! What everything here reads from and writes to: one handle, cheap to clone. Nothing in it does I/O or waits long.

mod answers;
mod holdings;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::SharedClock;
use slo::ServiceObjectives;
use tokio::sync::watch;

use crate::map::{CallMap, Other};
use crate::metrics::Metrics;
use crate::objectives::Objectives;
use crate::otlp::decode::{NewSpan, Unfit};
use crate::red::{OTHER, RedStore};
use crate::scraped::Scraped;
use crate::traces::{Names, Refused, StoredSpan, TraceStore};

/// Of the bound, what charts and the map may take before traces have nothing left to give way with.
pub(crate) const BYTES_MIN: usize = 8 * 1024 * 1024;

/// How much is kept, and how objectives are looked at.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of everything together; at least 8 MiB.
    pub bytes_max: usize,
    /// Spans of one trace.
    pub spans_max: usize,
    /// From how long on a request's trace is kept longer than others.
    pub slow: Duration,
    /// Every window of every objective is divided by this.
    pub slo_scale: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes_max: 64 * 1024 * 1024,
            spans_max: 2_000,
            slow: Duration::from_millis(500),
            slo_scale: 1,
        }
    }
}

/// The console's memory.
#[derive(Debug, Clone)]
pub struct Console(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: SharedClock,
    limits: Limits,
    metrics: Metrics,
    seen: Mutex<Seen>,
    objectives: Mutex<Objectives>,
    changed: watch::Sender<u64>,
    started: Duration,
}

/// What was seen in spans and scrapes.
#[derive(Debug)]
struct Seen {
    names: Names,
    traces: TraceStore,
    from_spans: RedStore,
    from_metrics: RedStore,
    scraped: Scraped,
    map: CallMap,
    received: u64,
    evicted: u64,
}

impl Seen {
    /// Bytes of what is not traces.
    fn other_bytes(&self) -> usize {
        TraceStore::EVICTED_BYTES
            + self.names.bytes()
            + self.from_spans.bytes()
            + self.from_metrics.bytes()
            + self.scraped.bytes()
            + self.map.bytes()
    }
}

/// What became of the spans of one request.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) kept: u64,
    pub(crate) refused: u64,
    /// Why the last refused one was.
    pub(crate) why: Option<&'static str>,
}

impl Taken {
    fn refuse(&mut self, why: &'static str) {
        self.refused += 1;
        self.why = Some(why);
    }
}

impl Console {
    /// An empty one.
    pub(crate) fn new(
        clock: SharedClock,
        limits: Limits,
        objectives: Vec<ServiceObjectives>,
        metrics: Metrics,
    ) -> Self {
        let limits = Limits {
            bytes_max: limits.bytes_max.max(BYTES_MIN),
            ..limits
        };
        let seen = Seen {
            names: Names::default(),
            traces: TraceStore::new(limits.spans_max),
            from_spans: RedStore::default(),
            from_metrics: RedStore::default(),
            scraped: Scraped::default(),
            map: CallMap::default(),
            received: 0,
            evicted: 0,
        };
        Self(Arc::new(Inner {
            started: clock.monotonic(),
            clock,
            metrics,
            seen: Mutex::new(seen),
            objectives: Mutex::new(Objectives::new(objectives, limits.slo_scale)),
            limits,
            changed: watch::Sender::new(0),
        }))
    }

    /// Takes spans. What is refused is counted and told; nothing is an error.
    pub(crate) fn ingest(&self, spans: Vec<Result<NewSpan, Unfit>>) -> Taken {
        let mut taken = Taken::default();
        let mut seen = self.seen();
        // Charts grow by stretches of ten seconds, so measuring them once a request is exact enough.
        let other_bytes = seen.other_bytes();
        for span in spans {
            seen.received += 1;
            self.0.metrics.span_received();
            match span {
                Ok(span) => self.take(&mut seen, span, other_bytes, &mut taken),
                Err(unfit) => {
                    let (reason, why) = match unfit {
                        Unfit::Ids => (
                            "ids",
                            "a span needs a trace id of 16 bytes and a span id of 8, not zero",
                        ),
                        Unfit::Time => (
                            "time",
                            "a span ended more than a day from now by the console's clock",
                        ),
                    };
                    self.0.metrics.span_refused(reason);
                    taken.refuse(why);
                }
            }
        }
        self.hold_bound(&mut seen);
        drop(seen);
        self.tell();
        taken
    }

    fn take(&self, seen: &mut Seen, span: NewSpan, other_bytes: usize, taken: &mut Taken) {
        let (trace_id, other_end) = (span.trace_id, span.other_end.clone());
        let stored = stored(&mut seen.names, span);
        let slow = Duration::from_micros(stored.duration_us) >= self.0.limits.slow;
        let notable = stored.failed || slow && stored.is_entry();
        let (service, ended) = (stored.service.clone(), stored.ended());
        let ended = self.in_reach(ended);
        let route = stored.is_entry().then(|| stored.route.clone()).flatten();
        let bytes_max = self.0.limits.bytes_max.saturating_sub(other_bytes);
        let calls = match seen.traces.insert(trace_id, stored, notable, bytes_max) {
            Ok(calls) => calls,
            Err(Refused::Duplicate) => {
                // Sent again by a program that did not hear our answer: it has arrived.
                self.0.metrics.span_refused("duplicate");
                return;
            }
            Err(Refused::TraceFull) => {
                self.0.metrics.span_refused("trace_full");
                taken.refuse("a trace may have only so many spans (console.spans_max) and bytes");
                return;
            }
        };
        taken.kept += 1;
        self.0.metrics.span_kept();
        if let Some(route) = route {
            seen.from_spans.count(&service, &route, ended);
        }
        let calls = calls.calls.into_iter().map(|call| crate::traces::Call {
            ended: self.in_reach(call.ended),
            ..call
        });
        seen.map.called(calls.collect());
        if let Some(end) = other_end {
            let (id, name) = (seen.names.shared(&end.id).0, seen.names.shared(&end.name).0);
            let other = Other {
                kind: end.kind,
                id,
                name,
            };
            seen.map.used(&service, &other, end.way, ended);
        }
        if seen.traces.bytes() > bytes_max {
            self.shrink(seen, bytes_max);
        }
    }

    /// Charts have no place for what a wrong clock puts into the future or the far past: it is counted as of now.
    fn in_reach(&self, ended: crate::red::Ended) -> crate::red::Ended {
        let now_s = self.0.clock.unix_ms() / 1_000;
        let sound = (now_s.saturating_sub(crate::red::KEPT_S)..=now_s + 1).contains(&ended.at_s);
        crate::red::Ended {
            at_s: if sound { ended.at_s } else { now_s },
            ..ended
        }
    }

    fn hold_bound(&self, seen: &mut Seen) {
        let bytes_max = self.0.limits.bytes_max.saturating_sub(seen.other_bytes());
        self.shrink(seen, bytes_max);
        let holdings = self.held(seen);
        self.0.metrics.holds(&holdings);
    }

    fn shrink(&self, seen: &mut Seen, bytes_max: usize) {
        let gone = seen.traces.shrink_to(bytes_max);
        seen.evicted += gone as u64;
        self.0.metrics.spans_evicted(gone as u64);
    }

    /// Takes what a target showed.
    pub(crate) fn scraped(&self, job: &str, instance: &str, samples: &[slo::exposition::Sample]) {
        let now = self.0.clock.monotonic();
        self.objectives_locked().ingest(now, job, instance, samples);
        let mut seen = self.seen();
        let Seen {
            scraped,
            from_metrics,
            ..
        } = &mut *seen;
        let now_s = self.0.clock.unix_ms() / 1_000;
        scraped.take(from_metrics, job, instance, samples, now_s);
    }

    /// Once a round of scrapes: notes how objectives stand, lets go of what is too old.
    pub(crate) fn round_ended(&self) {
        let unix_ms = self.0.clock.unix_ms();
        self.objectives_locked().note(self.0.clock.monotonic(), unix_ms);
        let mut seen = self.seen();
        seen.from_spans.forget(unix_ms / 1_000);
        seen.from_metrics.forget(unix_ms / 1_000);
        seen.map.forget(unix_ms / 1_000);
        seen.names.forget_unused();
        self.hold_bound(&mut seen);
        drop(seen);
        self.tell();
    }

    /// Every time: whoever watches looks as often as it likes, and must not miss the last news.
    fn tell(&self) {
        self.0.changed.send_modify(|version| *version += 1);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn objectives_locked(&self) -> MutexGuard<'_, Objectives> {
        self.0.objectives.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The form in which a span is kept.
fn stored(names: &mut Names, span: NewSpan) -> StoredSpan {
    let mut own_names = 0;
    let mut share = |name: &str| {
        let (shared, kept) = names.shared(name);
        if !kept {
            own_names += name.len() + 32;
        }
        shared
    };
    let service = if span.service.is_empty() {
        OTHER
    } else {
        span.service.as_str()
    };
    let attributes: Box<[_]> = span
        .attributes
        .into_iter()
        .map(|(name, value)| (share(&name), value.into_boxed_str()))
        .collect();
    let (service, name) = (share(service), share(&span.name));
    let (route, peer) = (
        span.route.as_deref().map(&mut share),
        span.peer.as_deref().map(&mut share),
    );
    StoredSpan {
        id: span.id,
        parent: span.parent,
        service,
        name,
        route,
        peer,
        kind: span.kind,
        queued: span.other_end.is_some(),
        // OpenTelemetry has a client's span fail on a 404; here that is an answer, whoever asked.
        failed: span.status.map_or(span.failed, |status| {
            status >= 500 || span.failed && !(400..500).contains(&status)
        }),
        status: span.status,
        start_us: span.start_us,
        duration_us: span.duration_us,
        error: span.error.map(String::into_boxed_str),
        attributes,
        links: span.links.into_boxed_slice(),
        own_names,
    }
}

#[cfg(test)]
pub(crate) mod tests;
