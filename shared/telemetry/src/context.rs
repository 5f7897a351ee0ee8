//! Which trace the present work belongs to: the W3C `traceparent`, and a task-local that carries it.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;

use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

tokio::task_local! {
    static CURRENT: TraceContext;
}

thread_local! {
    // Ids need to be different, not secret: a small generator a thread costs a few nanoseconds.
    static IDS: RefCell<SmallRng> = RefCell::new(SmallRng::from_os_rng());
}

/// The id of a trace: 16 bytes, never all zero. Displays as 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(u128);

impl TraceId {
    /// `None` for zero, which W3C declares invalid.
    pub fn from_u128(id: u128) -> Option<Self> {
        (id != 0).then_some(Self(id))
    }

    /// The id as a number, most significant byte first.
    pub fn as_u128(self) -> u128 {
        self.0
    }

    fn random() -> Self {
        let (high, low) = IDS.with_borrow_mut(|ids| (ids.next_u64(), ids.next_u64()));
        Self((u128::from(high) << 64 | u128::from(low)).max(1))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The id of a span: 8 bytes, never all zero. Displays as 16 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(u64);

impl SpanId {
    /// `None` for zero, which W3C declares invalid.
    pub fn from_u64(id: u64) -> Option<Self> {
        (id != 0).then_some(Self(id))
    }

    /// The id as a number, most significant byte first.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    fn random() -> Self {
        Self(IDS.with_borrow_mut(RngCore::next_u64).max(1))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A place in a trace: what `traceparent` carries between processes and the task-local inside one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: TraceId,
    span_id: SpanId,
    sampled: bool,
    remote: bool,
}

impl TraceContext {
    /// A context made in this process.
    pub fn new(trace_id: TraceId, span_id: SpanId, sampled: bool) -> Self {
        Self {
            trace_id,
            span_id,
            sampled,
            remote: false,
        }
    }

    /// The start of a new trace, its sampling decided by the caller.
    pub(crate) fn root(decide: impl FnOnce(TraceId) -> bool) -> Self {
        let trace_id = TraceId::random();
        Self::new(trace_id, SpanId::random(), decide(trace_id))
    }

    /// A new place in the same trace.
    pub(crate) fn child(self, sampled: bool) -> Self {
        Self::new(self.trace_id, SpanId::random(), sampled)
    }

    /// Reads a `traceparent` header as W3C Trace Context level 2 says. `None` when it is malformed: the trace then
    /// starts anew. A version above 00 is read by the fields of version 00 and may carry more after them.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let bytes = traceparent.as_bytes();
        if bytes.len() < 55 || bytes[2] != b'-' || bytes[35] != b'-' || bytes[52] != b'-' {
            return None;
        }
        let version = lower_hex(&bytes[..2])?;
        let more = bytes.len() > 55;
        if version == 0xff || (version == 0 && more) || (more && bytes[55] != b'-') {
            return None;
        }
        let trace_id = TraceId::from_u128(lower_hex(&bytes[3..35])?)?;
        let span_id = SpanId::from_u64(u64::try_from(lower_hex(&bytes[36..52])?).ok()?)?;
        let flags = lower_hex(&bytes[53..55])?;
        Some(Self {
            trace_id,
            span_id,
            sampled: flags & 1 == 1,
            remote: true,
        })
    }

    /// The header for the next hop, or for an event.
    pub fn traceparent(&self) -> String {
        format!(
            "00-{}-{}-{:02x}",
            self.trace_id,
            self.span_id,
            u8::from(self.sampled)
        )
    }

    /// The trace.
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The span that work done now belongs to.
    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// Whether spans of this trace are recorded.
    pub fn sampled(&self) -> bool {
        self.sampled
    }

    /// Whether it came from another process.
    pub(crate) fn remote(&self) -> bool {
        self.remote
    }

    /// The context of the running task, if it is inside a [`scope`](Self::scope).
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|context| *context).ok()
    }

    /// Runs a future inside this context. A spawned task does not inherit it: scope its future too.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }

    /// Runs a closure inside this context.
    pub fn sync_scope<T>(self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self, work)
    }
}

/// The number in lower-case hex digits; W3C refuses upper case.
fn lower_hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0_u128, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

#[cfg(test)]
mod tests;
