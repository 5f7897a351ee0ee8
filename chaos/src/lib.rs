#![doc = include_str!("../README.md")]

mod balancer;
mod catalogue;
mod chart;
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
mod run;
mod span;
mod verdict;
mod watch;

pub use catalogue::{drill, drills, text};
pub use drill::{
    Brief, Degraded, Drill, Expectations, ExpectedAlert, ExpectedSeverity, FaultPlan, LoadPlan, PlatformPlan,
};
pub use engine::EngineKind;
pub use error::DrillError;
pub use experiment::{Experiment, Fault};
pub use inject::Struck;
pub use invariants::{Finding, NAMES as INVARIANTS};
pub use run::{Bench, run};
pub use span::{Offset, Span};
pub use verdict::{Judged, Meanwhile, Verdict};
pub use watch::SeenAlert;
