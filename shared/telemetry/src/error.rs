//! What can be wrong with telemetry: its settings, mostly, found at start.

/// Why telemetry could not be set up, scraped or flushed. Each message names the setting to change.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The OTLP endpoint is no URL, or one that this build cannot speak to.
    #[error("telemetry.otlp_endpoint {endpoint:?}: {reason}")]
    Endpoint {
        /// The setting's value, without user information and query.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A number is outside its range.
    #[error("telemetry.{setting} is {value}: {expected}")]
    OutOfRange {
        /// The setting's name inside `[telemetry]`.
        setting: &'static str,
        /// What was given.
        value: String,
        /// What would have been right.
        expected: &'static str,
    },
    /// The log level is no level and no filter directive.
    #[error("telemetry.log_level {value:?}: {reason} (try \"info\" or \"info,shortener=debug\")")]
    LogLevel {
        /// What was given.
        value: String,
        /// What the parser said.
        reason: String,
    },
    /// The exporter's parts (a thread, a runtime) could not be made.
    #[error("the OTLP exporter could not be started: {0}")]
    Exporter(String),
    /// A scrape could not be written.
    #[error("the metrics could not be encoded")]
    Encode(#[from] std::fmt::Error),
    /// Spans were still waiting when the time to flush them was over, or their last batch was refused.
    #[error("spans were lost at shutdown: {0}")]
    Flush(String),
}

impl TelemetryError {
    /// A stable code for logs and tests.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Endpoint { .. } => "telemetry_endpoint",
            Self::OutOfRange { .. } => "telemetry_out_of_range",
            Self::LogLevel { .. } => "telemetry_log_level",
            Self::Exporter(_) => "telemetry_exporter",
            Self::Encode(_) => "telemetry_encode",
            Self::Flush(_) => "telemetry_flush",
        }
    }

    /// Whether trying again, with nothing changed, may help.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::Exporter(_) | Self::Flush(_))
    }
}
