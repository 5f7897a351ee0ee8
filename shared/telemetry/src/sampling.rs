//! Which traces are recorded: decided by trace id before a span exists, because making spans is what costs.

use crate::context::{TraceContext, TraceId};

/// The share of traces to record, as a threshold on the trace id. The same formula as the OpenTelemetry SDKs'
/// `TraceIdRatioBased`, so that a role in another language agrees about every trace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampler {
    threshold: u64,
}

impl Sampler {
    /// `ratio` is 0 to 1.
    pub(crate) fn new(ratio: f64) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a ratio of 2^63 is meant to be rounded, and the ratio is checked to be 0 to 1"
        )]
        let threshold = (ratio.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64;
        Self { threshold }
    }

    /// What the trace id alone says.
    pub(crate) fn by_trace_id(self, trace_id: TraceId) -> bool {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the formula takes the lower half of the id"
        )]
        let low = trace_id.as_u128() as u64;
        low >> 1 < self.threshold
    }

    /// A sampled parent is honoured, or its trace would have a hole; else the id decides.
    pub(crate) fn with_parent(self, parent: TraceContext) -> bool {
        parent.sampled() || self.by_trace_id(parent.trace_id())
    }
}
