#![doc = include_str!("../README.md")]

mod balancer;
mod books;
mod catalogue;
mod chart;
mod control;
mod counterparty;
mod disk;
mod drill;
mod engine;
mod error;
mod experiment;
mod http;
mod inject;
mod invariants;
mod layout;
mod observer;
mod platform;
mod process;
mod receiver;
mod run;
mod span;
mod tables;
mod verdict;
mod watch;

pub use books::{Told, observe_money};
pub use catalogue::{drill, drills, load, text};
pub use control::{Control, Switch};
pub use drill::{
    Brief, Degraded, Drill, Expectations, ExpectedAlert, ExpectedSeverity, FaultPlan, LoadPlan, PlatformPlan,
    ReceiverTurns,
};
pub use engine::EngineKind;
pub use error::DrillError;
pub use experiment::{Experiment, Fault};
pub use inject::Struck;
pub use invariants::{Finding, Invariant};
pub use run::{Bench, run};
pub use span::{Offset, Span};
pub use verdict::{Judged, Meanwhile, Verdict};
pub use watch::SeenAlert;
