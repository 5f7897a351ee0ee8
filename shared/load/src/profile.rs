//! A load as a file: what users do to a service over HTTP, how often, and what they expect. A service brings a file and no code.
//!
//! `loadtests/profiles/README.md` says what each field is for.

mod captured;
mod chances;
mod collected;
mod error;
mod money;
mod offered;
mod picture;
mod recording;
mod report;
mod run;
mod setup;
mod shipped;
mod step;
mod template;
mod validation;

use std::time::Duration;

use serde::Deserialize;

pub use error::ProfileError;
pub use money::{LedgerRule, Repeats};
pub use offered::{Offered, OfferedArrivals, Spread, Stage};
pub use report::{OperationReport, Quantiles, Report, Second};
pub use run::{Prepared, Target, TokenSource, prepare, run};
pub use shipped::names;
pub use step::{Body, Each, HistoryRule, Source, Step};
pub use template::{Template, Variable};

use crate::recorder::Recorder;

/// Records a run's history onto whatever was opened for it.
pub type HistoryRecorder = Recorder<Box<dyn std::io::Write + Send>>;

/// A load: who comes how often, what they ask for, and what they expect.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name: the file's, without its ending.
    pub name: String,
    /// What it stands for, in a sentence.
    pub description: String,
    /// Decides gaps, operations, keys and sessions.
    #[serde(default = "seed_default")]
    pub seed: u64,
    /// When arrivals are due.
    pub arrivals: OfferedArrivals,
    /// Arrivals that are started and not answered, at most; one beyond is dropped and counted.
    #[serde(default = "in_flight_max_default")]
    pub in_flight_max: usize,
    /// How long one request may take; also how long it may wait for its session.
    #[serde(default = "deadline_ms_default")]
    pub deadline_ms: u64,
    /// The share of arrivals that may fail or be dropped before the run as a whole has failed.
    #[serde(default)]
    pub errors_max_share: f64,
    /// Users. Each does one thing at a time, in the order in which it was due.
    #[serde(default = "sessions_default")]
    pub sessions: u32,
    /// What arrivals ask for.
    #[serde(default)]
    pub keys: Keys,
    /// Done before the first arrival, step by step.
    #[serde(default)]
    pub setup: Vec<Step>,
    /// One of them an arrival, by weight.
    pub operations: Vec<Step>,
}

/// Keys by rank, the one of rank 0 the hottest.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// How many there are.
    pub count: usize,
    /// The exponent of Zipf's law; 0 asks for all alike.
    #[serde(default)]
    pub zipf: f64,
}

impl Default for Keys {
    fn default() -> Self {
        Self { count: 1, zipf: 0.0 }
    }
}

fn seed_default() -> u64 {
    1
}

fn in_flight_max_default() -> usize {
    256
}

fn deadline_ms_default() -> u64 {
    5_000
}

fn sessions_default() -> u32 {
    64
}

impl Profile {
    /// Reads a profile. What is wrong with it is said with its place and what would be right.
    pub fn parse(yaml: &str) -> Result<Self, ProfileError> {
        let profile: Self =
            serde_saphyr::from_str(yaml).map_err(|error| ProfileError::Malformed(error.to_string()))?;
        validation::check(&profile)?;
        Ok(profile)
    }

    /// The same load at another rate: stages keep their shape.
    pub fn with_rate(mut self, per_second: f64) -> Result<Self, ProfileError> {
        self.arrivals.scale_rate(per_second);
        validation::check(&self)?;
        Ok(self)
    }

    /// The same load over another time: stages keep their shape.
    pub fn with_duration(mut self, duration: Duration) -> Result<Self, ProfileError> {
        self.arrivals.scale_duration(duration);
        validation::check(&self)?;
        Ok(self)
    }

    /// The same load with other chances.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The same load by those who come once: each request of an operation opens a connection, and closes it.
    #[must_use]
    pub fn with_connection_each(mut self) -> Self {
        for operation in &mut self.operations {
            let close = Template::text("close");
            operation.headers.insert("Connection".to_owned(), close);
        }
        self
    }

    /// How long arrivals go on.
    pub fn duration(&self) -> Duration {
        self.arrivals.duration()
    }

    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }
}
