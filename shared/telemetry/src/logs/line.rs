//! One line, as JSON for machines or as text for people.

use std::fmt::Write;

use serde_json::Value;
use time::OffsetDateTime;
use time::macros::format_description;
use tracing::Level;

use super::fields::Fields;
use crate::context::TraceContext;

/// What every line has; a field of the same name is written as `field_<name>`.
const RESERVED: [&str; 5] = ["ts", "level", "service", "target", "message"];

pub(super) struct Line {
    pub(super) unix_micros: u64,
    pub(super) level: Level,
    pub(super) service: &'static str,
    pub(super) target: &'static str,
    pub(super) trace: Option<TraceContext>,
    pub(super) fields: Fields,
}

impl Line {
    pub(super) fn json(mut self) -> Vec<u8> {
        let trace = self.ambient_trace();
        let mut line = Object(Vec::with_capacity(256));
        line.put("ts", &self.timestamp().into());
        line.put("level", &level_name(self.level).into());
        line.put("service", &self.service.into());
        line.put("target", &self.target.into());
        line.put("message", &std::mem::take(&mut self.fields.message).into());
        if let Some(trace) = trace {
            line.put("trace_id", &trace.trace_id().to_string().into());
            line.put("span_id", &trace.span_id().to_string().into());
        }
        for (name, value) in self.fields.others {
            if RESERVED.contains(&name) {
                line.put(&format!("field_{name}"), &value);
            } else {
                line.put(name, &value);
            }
        }
        line.end()
    }

    pub(super) fn text(self) -> Vec<u8> {
        let mut line = self.timestamp();
        let (level, service) = (self.level, self.service);
        let _ = write!(
            line,
            " {level:>5} {service} {}: {}",
            self.target,
            one_line(&self.fields.message)
        );
        for (name, value) in &self.fields.others {
            let value = match value {
                Value::String(text) if text.contains(' ') => format!("{text:?}"),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let _ = write!(line, " {name}={}", one_line(&value));
        }
        if let Some(trace) = self.ambient_trace() {
            let _ = write!(line, " trace_id={}", trace.trace_id());
        }
        line.push('\n');
        line.into_bytes()
    }

    /// The task's trace, unless the event names one itself.
    fn ambient_trace(&self) -> Option<TraceContext> {
        self.trace
            .filter(|_| !self.fields.has("trace_id") && !self.fields.has("span_id"))
    }

    fn timestamp(&self) -> String {
        let format =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.unix_micros) * 1_000)
            .ok()
            .and_then(|time| time.format(format).ok())
            .unwrap_or_else(|| format!("{}us", self.unix_micros))
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// Control characters are written as escapes: nobody forges a second line, nobody steers the terminal.
fn one_line(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut line, character| {
            if character.is_control() {
                line.extend(character.escape_default());
            } else {
                line.push(character);
            }
            line
        })
}

/// A JSON object written straight into bytes, in the order given.
struct Object(Vec<u8>);

impl Object {
    fn put(&mut self, name: &str, value: &Value) {
        self.0.push(if self.0.is_empty() { b'{' } else { b',' });
        for (part, end) in [(&Value::from(name), Some(b':')), (value, None)] {
            serde_json::to_writer(&mut self.0, part).expect("a value is written to memory");
            self.0.extend(end);
        }
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"}\n");
        self.0
    }
}
