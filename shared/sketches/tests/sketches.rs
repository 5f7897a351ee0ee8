//! What the sketches promise, against exact counts.

#[path = "sketches/count_min.rs"]
mod count_min;
#[path = "sketches/hyper_log_log.rs"]
mod hyper_log_log;
#[path = "sketches/top.rs"]
mod top;
