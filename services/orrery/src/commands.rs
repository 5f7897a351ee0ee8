//! One file a command; `up` and `serve` are `platform.rs`.

pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod dlq;
pub(crate) mod drill;
pub(crate) mod export;
pub(crate) mod generate;
pub(crate) mod key;
pub(crate) mod lab;
pub(crate) mod ledger;
pub(crate) mod load;
pub(crate) mod migrate;
#[cfg(feature = "planted-bugs")]
pub(crate) mod score_bugs;
pub(crate) mod slo;
pub(crate) mod token;
pub(crate) mod vault;

use clock::{SharedClock, SystemClock};
use telemetry::{Telemetry, TelemetrySettings};

/// What a command that opens stores works with: logs of warnings alone, no spans.
pub(crate) struct Workbench {
    pub(crate) telemetry: Telemetry,
    pub(crate) clock: SharedClock,
}

/// Runs a short piece of asynchronous work on this thread.
pub(crate) fn on_workbench<T, E>(
    work: impl AsyncFnOnce(&Workbench) -> Result<T, E>,
) -> Result<T, Box<dyn std::error::Error>>
where
    Box<dyn std::error::Error>: From<E>,
{
    let clock = SystemClock::shared();
    let settings = TelemetrySettings {
        log_level: "warn".to_owned(),
        ..TelemetrySettings::default()
    };
    let telemetry = Telemetry::new("orrery", std::process::id().to_string(), &settings, clock.clone())?;
    telemetry.adopt_thread();
    let bench = Workbench { telemetry, clock };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(work(&bench))?)
}
