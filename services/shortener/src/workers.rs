//! What runs beside the requests.

mod changed_file;
mod collect_garbage;
mod count_clicks;
mod flush_clicks;
mod project_visits;
mod reload_bad_urls;
mod reload_countries;
mod rotate_visitor_keys;
mod spans;
mod spool_clicks;

pub(crate) use collect_garbage::GarbageCollector;
pub(crate) use count_clicks::CountClicks;
pub(crate) use flush_clicks::ClickFlusher;
pub(crate) use project_visits::{Lanes, ProjectVisits};
pub(crate) use reload_bad_urls::ReloadBadUrls;
pub(crate) use reload_countries::ReloadCountries;
pub(crate) use rotate_visitor_keys::RotateVisitorKeys;
pub(crate) use spool_clicks::{ClickSpool, blames_the_events};
