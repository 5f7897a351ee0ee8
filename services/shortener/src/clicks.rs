//! Clicks between a redirect and the stream: a bounded queue, and the event many clicks are folded into.

mod event;
mod queue;

pub(crate) use event::{ClickEvent, EventBounds, STREAM};
pub(crate) use queue::{Click, ClickQueue};

/// The consumer group that adds clicks to the counts.
pub(crate) const GROUP: &str = "clicks";
