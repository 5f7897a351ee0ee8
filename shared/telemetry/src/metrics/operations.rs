//! What an engine was asked, how long it took and how it ended: one histogram for all engines, and a client span each.

use std::sync::Arc;
use std::time::Duration;

use clock::SharedClock;

use super::family::Durations;
use crate::role::Telemetry;
use crate::span::{Span, SpanKind};

/// The operations of one database, by the OpenTelemetry conventions for database clients:
/// `db_client_operation_duration_seconds{database, operation, outcome}`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Operations {
    telemetry: Telemetry,
    clock: SharedClock,
    system: &'static str,
    database: Arc<str>,
    durations: Durations,
}

impl Operations {
    /// Those of `database`, kept by `system` (`db.system.name`: `sqlite`, `postgresql`, `cassandra`, `redis`, `nats`).
    pub fn of(telemetry: &Telemetry, clock: SharedClock, system: &'static str, database: &str) -> Self {
        let durations = Self::register(telemetry);
        Self {
            telemetry: telemetry.clone(),
            clock,
            system,
            database: database.into(),
            durations,
        }
    }

    /// Registers the histogram before there is a database.
    pub fn register(telemetry: &Telemetry) -> Durations {
        Durations::register(
            telemetry,
            "db_client_operation_duration",
            "Time of one database operation, its waits and retries included",
            &["database", "operation", "outcome"],
        )
    }

    /// One that begins now. Its outcome is `refused` (the caller's own error, or nobody waited any more) unless it is told
    /// otherwise.
    pub fn begin(&self, name: &'static str) -> Operation {
        let mut span = self.telemetry.span(name, SpanKind::Client, None);
        if span.is_recording() {
            span.attribute("db.system.name", self.system)
                .attribute("db.namespace", self.database.to_string())
                .attribute("db.operation.name", name);
        }
        Operation {
            operations: self.clone(),
            name,
            outcome: "refused",
            began: self.clock.monotonic(),
            span,
        }
    }
}

/// One operation being measured; it ends when dropped.
#[derive(Debug)]
pub struct Operation {
    operations: Operations,
    name: &'static str,
    outcome: &'static str,
    began: Duration,
    span: Span,
}

impl Operation {
    /// The engine did it.
    pub fn ok(&mut self) {
        self.outcome = "ok";
    }

    /// The engine failed; `code` is its error's.
    pub fn failed(&mut self, code: &'static str) {
        self.outcome = code;
        self.span.fail(code);
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        let elapsed = self.operations.clock.monotonic().saturating_sub(self.began);
        let trace = self.span.is_recording().then(|| self.span.context()).flatten();
        let values = [&*self.operations.database, self.name, self.outcome];
        self.operations.durations.observe(&values, elapsed, trace);
    }
}
