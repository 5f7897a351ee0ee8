//! The fields of an event, redacted as they are taken.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{Debug, Write};

use serde_json::Value;
use tracing::field::{Field, Visit};

use crate::redact::{MASK, is_secret_name, redacted};

/// A longer text is cut: one log line must not fill a disk.
const TEXT_BYTES_MAX: usize = 4_096;

/// Causes of an error that are written out.
const CAUSES_MAX: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) message: String,
    pub(super) others: Vec<(&'static str, Value)>,
}

impl Fields {
    pub(super) fn has(&self, name: &str) -> bool {
        self.others.iter().any(|(other, _)| *other == name)
    }

    fn put(&mut self, field: &Field, value: Value) {
        let name = field.name();
        let value = if is_secret_name(name) {
            Value::from(MASK)
        } else {
            value
        };
        self.others.push((name, value));
    }

    fn put_text(&mut self, field: &Field, text: &str) {
        let text = shortened(redacted(text));
        if field.name() == "message" {
            self.message = text.into_owned();
        } else {
            self.put(field, Value::from(text));
        }
    }
}

fn shortened(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.len() <= TEXT_BYTES_MAX {
        return text;
    }
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    Cow::Owned(format!("{}… ({} bytes more)", &text[..end], text.len() - end))
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put_text(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        for _ in 0..CAUSES_MAX {
            let Some(error) = cause else { break };
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        self.put_text(field, &text);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}
