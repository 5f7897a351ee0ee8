//! A span as it is kept.

use std::sync::Arc;
use std::time::Duration;

use crate::red::Ended;

/// What an allocation costs beside its bytes, about.
const ALLOCATION_BYTES: usize = 16;

/// How a span stands to the one at the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Server => "server",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }
}

/// One span. Names are shared with other spans where they can be.
#[derive(Debug)]
pub(crate) struct StoredSpan {
    pub(crate) id: u64,
    /// 0 for none.
    pub(crate) parent: u64,
    pub(crate) service: Arc<str>,
    pub(crate) name: Arc<str>,
    /// What it is counted as where it serves: `GET /v1/links/{code}`.
    pub(crate) route: Option<Arc<str>>,
    /// Where a client called: `host:port`.
    pub(crate) peer: Option<Arc<str>>,
    pub(crate) kind: Kind,
    /// It stands between a service and a stream: the map shows the stream.
    pub(crate) queued: bool,
    pub(crate) failed: bool,
    pub(crate) status: Option<u16>,
    pub(crate) start_us: u64,
    pub(crate) duration_us: u64,
    pub(crate) error: Option<Box<str>>,
    pub(crate) attributes: Box<[(Arc<str>, Box<str>)]>,
    pub(crate) links: Box<[(u128, u64)]>,
    /// Bytes of names that are its own alone.
    pub(crate) own_names: usize,
}

impl StoredSpan {
    /// Whether it is the answering side of a call between services.
    pub(crate) fn is_served(&self) -> bool {
        match self.kind {
            Kind::Server => true,
            Kind::Consumer => !self.queued,
            _ => false,
        }
    }

    /// Whether it is a request or an event that its service was asked to handle.
    pub(crate) fn is_entry(&self) -> bool {
        matches!(self.kind, Kind::Server | Kind::Consumer)
    }

    pub(crate) fn end_us(&self) -> u64 {
        self.start_us.saturating_add(self.duration_us)
    }

    pub(crate) fn ended(&self) -> Ended {
        Ended {
            at_s: self.end_us() / 1_000_000,
            failed: self.failed,
            took: Duration::from_micros(self.duration_us),
        }
    }

    /// What it takes beside itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        let block = |bytes: usize| if bytes == 0 { 0 } else { bytes + ALLOCATION_BYTES };
        let texts: usize = self.attributes.iter().map(|(_, value)| block(value.len())).sum();
        self.own_names
            + block(size_of_val(&*self.attributes))
            + block(size_of_val(&*self.links))
            + block(self.error.as_ref().map_or(0, |error| error.len()))
            + texts
    }
}
