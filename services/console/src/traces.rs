//! Traces in memory, within a bound that is counted and not hoped for: each span knows what it takes, and whole traces
//! give way, the oldest first. Those that failed or were slow stay longer, as long as they are not more than half of all.

mod names;
mod search;
mod span;
mod tree;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

pub(crate) use names::Names;
pub(crate) use search::search;
pub(crate) use span::{Kind, StoredSpan};
pub(crate) use tree::view;

use crate::model::TraceSummary;

/// What a trace takes beside its spans: its place in a hash map and in two ordered ones.
const TRACE_BYTES: usize = size_of::<Trace>() + 192;
/// Ids of traces that gave way, remembered so that a page can say so.
const EVICTED_KEPT: usize = 4_096;
/// A trace may take this part of everything.
const TRACE_SHARE: usize = 8;

/// One trace.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) id: u128,
    /// Its place in the order of arrival; also what a list's cursor is.
    pub(crate) seq: u64,
    pub(crate) spans: Vec<StoredSpan>,
    pub(crate) refused: u64,
    notable: bool,
    /// Of the spans' own parts; the vector is counted by its capacity.
    heap: usize,
}

impl Trace {
    fn bytes(&self) -> usize {
        TRACE_BYTES + self.heap + self.spans.capacity() * size_of::<StoredSpan>()
    }

    /// For how many spans more room is made when one more comes: by half, and from one, for most traces are short.
    fn room_wanted(&self) -> usize {
        if self.spans.len() == self.spans.capacity() {
            (self.spans.len() / 2).max(1)
        } else {
            0
        }
    }

    fn push(&mut self, span: StoredSpan) {
        self.spans.reserve_exact(self.room_wanted());
        self.heap += span.heap_bytes();
        self.spans.push(span);
    }

    pub(crate) fn span(&self, id: u64) -> Option<&StoredSpan> {
        self.spans.iter().find(|span| span.id == id)
    }
}

/// Why a span was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Its trace has as many as it may have, or takes as much.
    TraceFull,
    /// It is here already.
    Duplicate,
}

/// What is known about a span's place once it is in.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// Calls between services that this span completed.
    pub(crate) calls: Vec<Call>,
}

/// One service's call of another.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) from: std::sync::Arc<str>,
    pub(crate) to: std::sync::Arc<str>,
    /// Where the caller thought it was calling.
    pub(crate) peer: Option<std::sync::Arc<str>>,
    pub(crate) ended: crate::red::Ended,
}

#[derive(Debug)]
pub(crate) struct TraceStore {
    traces: HashMap<u128, Trace>,
    order: BTreeMap<u64, u128>,
    ordinary: BTreeSet<u64>,
    notable: BTreeSet<u64>,
    evicted: VecDeque<u128>,
    next_seq: u64,
    spans: usize,
    bytes: usize,
    notable_bytes: usize,
    spans_max: usize,
}

impl TraceStore {
    /// The ids of what gave way, as if they were all there: making room must not take any.
    pub(crate) const EVICTED_BYTES: usize = EVICTED_KEPT * size_of::<u128>();

    /// With at most so many spans a trace.
    pub(crate) fn new(spans_max: usize) -> Self {
        Self {
            traces: HashMap::new(),
            order: BTreeMap::new(),
            ordinary: BTreeSet::new(),
            notable: BTreeSet::new(),
            evicted: VecDeque::new(),
            next_seq: 1,
            spans: 0,
            bytes: 0,
            notable_bytes: 0,
            spans_max,
        }
    }

    /// Takes a span. `notable` makes its trace one that stays longer; `bytes_max` is that of all traces together.
    pub(crate) fn insert(
        &mut self,
        trace_id: u128,
        span: StoredSpan,
        notable: bool,
        bytes_max: usize,
    ) -> Result<Calls, Refused> {
        let seq = self.next_seq;
        let trace = self.traces.entry(trace_id).or_insert_with(|| Trace {
            id: trace_id,
            seq,
            spans: Vec::new(),
            refused: 0,
            notable: false,
            heap: 0,
        });
        if trace.seq == seq {
            self.next_seq += 1;
            self.order.insert(seq, trace_id);
            self.ordinary.insert(seq);
            self.bytes += trace.bytes();
        }
        if trace
            .span(span.id)
            .is_some_and(|known| known.service == span.service)
        {
            return Err(Refused::Duplicate);
        }
        let before = trace.bytes();
        let wanted = before + trace.room_wanted() * size_of::<StoredSpan>() + span.heap_bytes();
        if trace.spans.len() >= self.spans_max || wanted > bytes_max / TRACE_SHARE {
            trace.refused += 1;
            return Err(Refused::TraceFull);
        }
        let calls = calls(trace, &span);
        trace.push(span);
        self.spans += 1;
        let grown = trace.bytes() - before;
        self.bytes += grown;
        if notable && !trace.notable {
            trace.notable = true;
            self.ordinary.remove(&trace.seq);
            self.notable.insert(trace.seq);
            self.notable_bytes += trace.bytes();
        } else if trace.notable {
            self.notable_bytes += grown;
        }
        Ok(calls)
    }

    /// Lets the oldest go until all traces together take no more than this; gives the number of spans that went.
    pub(crate) fn shrink_to(&mut self, bytes_max: usize) -> usize {
        let before = self.spans;
        while self.bytes > bytes_max {
            let crowded = self.notable_bytes > bytes_max / 2;
            let oldest = if crowded || self.ordinary.is_empty() {
                self.notable.first().or(self.ordinary.first())
            } else {
                self.ordinary.first()
            };
            let Some(seq) = oldest.copied() else { break };
            self.evict(seq);
        }
        before - self.spans
    }

    fn evict(&mut self, seq: u64) {
        self.ordinary.remove(&seq);
        self.notable.remove(&seq);
        let gone = self.order.remove(&seq).and_then(|id| self.traces.remove(&id));
        let Some(trace) = gone else { return };
        self.bytes -= trace.bytes();
        self.spans -= trace.spans.len();
        if trace.notable {
            self.notable_bytes -= trace.bytes();
        }
        if self.evicted.len() == EVICTED_KEPT {
            self.evicted.pop_front();
        }
        self.evicted.push_back(trace.id);
    }

    pub(crate) fn get(&self, trace_id: u128) -> Option<&Trace> {
        self.traces.get(&trace_id)
    }

    pub(crate) fn was_evicted(&self, trace_id: u128) -> bool {
        self.evicted.contains(&trace_id)
    }

    /// The newest first, from below `before` on.
    pub(crate) fn newest(&self, before: Option<u64>) -> impl Iterator<Item = &Trace> {
        let below = self.order.range(..before.unwrap_or(u64::MAX));
        below.rev().filter_map(move |(_, id)| self.traces.get(id))
    }

    pub(crate) fn len(&self) -> usize {
        self.traces.len()
    }

    pub(crate) fn spans(&self) -> usize {
        self.spans
    }

    /// Bytes of all traces.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    #[cfg(test)]
    fn counted_again(&self) -> (usize, usize, usize) {
        let heap = |trace: &Trace| trace.spans.iter().map(StoredSpan::heap_bytes).sum::<usize>();
        let spans = self.traces.values().map(|trace| trace.spans.len()).sum();
        assert!(self.traces.values().all(|trace| trace.heap == heap(trace)));
        let bytes = self.traces.values().map(Trace::bytes).sum();
        let notable = self.traces.values().filter(|trace| trace.notable);
        (spans, bytes, notable.map(Trace::bytes).sum())
    }
}

/// The calls between services that become known with this span: of its caller, and of those it called.
fn calls(trace: &Trace, span: &StoredSpan) -> Calls {
    let mut calls = Vec::new();
    let parent = (span.parent != 0 && span.is_served()).then(|| trace.span(span.parent));
    if let Some(Some(parent)) = parent
        && parent.service != span.service
    {
        calls.push(call(parent, span));
    }
    let served = trace
        .spans
        .iter()
        .filter(|child| child.parent == span.id && child.is_served());
    calls.extend(
        served
            .filter(|child| child.service != span.service)
            .map(|child| call(span, child)),
    );
    Calls { calls }
}

fn call(client: &StoredSpan, server: &StoredSpan) -> Call {
    Call {
        from: client.service.clone(),
        to: server.service.clone(),
        peer: client.peer.clone(),
        ended: server.ended(),
    }
}

/// A trace as a list shows it.
pub(crate) fn summary(trace: &Trace) -> TraceSummary {
    tree::summary(trace)
}

#[cfg(test)]
mod tests;
