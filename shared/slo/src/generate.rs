//! What stands in an objective's file, as other programs read it.

pub mod dashboards;
