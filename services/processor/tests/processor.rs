//! The processor from outside: over HTTP, and its port's contract on each engine.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[path = "processor/charges.rs"]
mod charges;
#[path = "processor/contract.rs"]
mod contract;
#[path = "processor/failures.rs"]
mod failures;
#[path = "processor/faults.rs"]
mod faults;
#[path = "processor/service.rs"]
mod service;
#[path = "processor/settlements.rs"]
mod settlements;
