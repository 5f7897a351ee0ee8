//! What runs beside the requests.

mod collect_garbage;
mod count_clicks;
mod flush_clicks;
mod spool_clicks;
mod watch;

pub(crate) use collect_garbage::GarbageCollector;
pub(crate) use count_clicks::CountClicks;
pub(crate) use flush_clicks::ClickFlusher;
pub(crate) use spool_clicks::{ClickSpool, blames_the_events};
pub(crate) use watch::WorkerWatch;
