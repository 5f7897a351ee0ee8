//! Calls to strangers, some of them hostile.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[path = "outbound/addresses.rs"]
mod addresses;
#[path = "outbound/hostile.rs"]
mod hostile;
#[path = "outbound/lookups.rs"]
mod lookups;
#[path = "outbound/receiver.rs"]
mod receiver;
#[path = "outbound/tls.rs"]
mod tls;
