//! Logs of one role: `tracing` events as one line each, with the trace they belong to.

mod fields;
mod line;

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use clock::SharedClock;
use tracing::{Dispatch, Event, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{EnvFilter, Layer};

use crate::context::TraceContext;
use crate::error::TelemetryError;
use crate::settings::{LogFormat, TelemetrySettings};

pub(crate) fn dispatch(
    service_name: &'static str,
    settings: &TelemetrySettings,
    clock: SharedClock,
    sink: impl Write + Send + 'static,
) -> Result<Dispatch, TelemetryError> {
    let filter = EnvFilter::try_new(&settings.log_level).map_err(|error| TelemetryError::LogLevel {
        value: settings.log_level.clone(),
        reason: error.to_string(),
    })?;
    let lines = Lines {
        service_name,
        format: settings.log_format,
        clock,
        sink: Mutex::new(sink),
    };
    Ok(Dispatch::new(
        tracing_subscriber::registry().with(filter).with(lines),
    ))
}

struct Lines<W> {
    service_name: &'static str,
    format: LogFormat,
    clock: SharedClock,
    sink: Mutex<W>,
}

impl<S: Subscriber, W: Write + Send + 'static> Layer<S> for Lines<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = fields::Fields::default();
        event.record(&mut fields);
        let line = line::Line {
            unix_micros: self.clock.unix_micros(),
            level: *event.metadata().level(),
            service: self.service_name,
            target: event.metadata().target(),
            trace: TraceContext::current(),
            fields,
        };
        let text = match self.format {
            LogFormat::Json => line.json(),
            LogFormat::Text => line.text(),
        };
        // One write a line, so that lines of several roles do not mix. A closed standard error is nobody's failure.
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = sink.write_all(&text);
    }
}

#[cfg(test)]
mod tests;
