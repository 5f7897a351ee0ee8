//! What runs beside the requests.

mod collect_garbage;
mod count_clicks;
mod flush_clicks;
mod watch;

pub use collect_garbage::GarbageCollector;
pub use count_clicks::CountClicks;
pub use flush_clicks::ClickFlusher;
pub use watch::WorkerWatch;
