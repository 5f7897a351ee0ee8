//! Logs of one role: `tracing` events as one line each, with the trace they belong to.

use std::io::Write;

use clock::SharedClock;
use tracing::Dispatch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;

use crate::error::TelemetryError;
use crate::settings::TelemetrySettings;

pub(crate) fn dispatch(
    _service_name: &'static str,
    settings: &TelemetrySettings,
    _clock: SharedClock,
    _sink: impl Write + Send + 'static,
) -> Result<Dispatch, TelemetryError> {
    let filter = EnvFilter::try_new(&settings.log_level).map_err(|error| TelemetryError::LogLevel {
        value: settings.log_level.clone(),
        reason: error.to_string(),
    })?;
    Ok(Dispatch::new(tracing_subscriber::registry().with(filter)))
}
