//! The roles as separate processes on real engines, seen from outside.

mod api;
mod click_caps;
pub(crate) mod client;
mod cold;
pub(crate) mod dead_letters;
mod degraded;
mod faults;
pub(crate) mod fleet;
mod hostile;
mod invalidation;
mod killed;
pub(crate) mod metrics;
mod money_fleet;
mod money_killed;
mod observability;
mod quorum;
mod readme;
mod restored;
mod serve;
mod standby;
mod upgrade;
mod worker_ids;
