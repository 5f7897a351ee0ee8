//! Clicks between a redirect and the stream: a bounded queue, and the event many clicks are folded into.

mod bounds;
mod former_event;
mod queue;
#[cfg(test)]
mod samples;
mod visit_event;

pub(crate) use bounds::EventBounds;
pub(crate) use former_event::{FORMER_STREAM, FormerClickEvent};
pub(crate) use queue::{Click, ClickQueue, Left};
pub(crate) use visit_event::VisitProducer;
pub use visit_event::{LinkVisits, VISIT_LANES, VISITS, VISITS_KIND, VisitEvent};

/// The consumer group that adds the clicks of older versions to the counts.
pub(crate) const FORMER_GROUP: &str = "clicks";
/// The consumer group that makes statistics of visits.
pub(crate) const VISITS_GROUP: &str = "statistics";
