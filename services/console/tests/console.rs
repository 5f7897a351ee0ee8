//! The console from outside: spans in, answers out, over HTTP and gRPC.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[path = "console/api.rs"]
mod api;
#[path = "console/harness.rs"]
mod harness;
#[path = "console/hostile.rs"]
mod hostile;
#[path = "console/otlp.rs"]
mod otlp;
#[path = "console/pages.rs"]
mod pages;
#[path = "console/scraping.rs"]
mod scraping;
