//! Clicks between a redirect and the stream: a bounded queue, and the event many clicks are folded into.

mod event;
mod queue;

pub use event::{ClickEvent, EventBounds, LinkTimes, STREAM};
pub use queue::{Click, ClickQueue};

/// The consumer group that adds clicks to the counts.
pub const GROUP: &str = "clicks";
