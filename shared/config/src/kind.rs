//! The types a setting may have, and how text and TOML values become them.

use std::fmt;

use serde_json::{Number, Value};

/// The type of a setting: what is accepted, in words an operator reads.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `true` or `false` (from text also `1` and `0`).
    Boolean,
    /// A whole number, with the range its Rust type or schema allows.
    Integer {
        /// Smallest accepted value.
        min: i128,
        /// Largest accepted value.
        max: i128,
    },
    /// A number that may have a fraction.
    Number,
    /// Any text.
    Text,
    /// One of a few words.
    Choice(Vec<String>),
    /// A list; from text separated by commas.
    List(Box<Kind>),
    /// A table of free keys: settable in the file only.
    Table,
    /// A shape that no layer can express; [`crate::Catalog::check`] refuses it.
    Unsupported,
}

impl Kind {
    /// Reads the text of an environment variable or flag. The error is what was expected.
    pub(crate) fn parse(&self, text: &str) -> Result<Value, String> {
        let parsed = match self {
            Self::Boolean => match text.trim() {
                "true" | "1" => Some(Value::Bool(true)),
                "false" | "0" => Some(Value::Bool(false)),
                _ => None,
            },
            Self::Integer { min, max } => text.trim().parse().ok().and_then(|n| integer(n, *min, *max)),
            Self::Number => text
                .trim()
                .parse()
                .ok()
                .and_then(Number::from_f64)
                .map(Value::Number),
            Self::Text => Some(Value::String(text.to_owned())),
            Self::Choice(words) => words
                .iter()
                .find(|w| *w == text.trim())
                .map(|w| Value::from(w.as_str())),
            Self::List(item) => {
                let items = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Some(Value::Array(
                    items.map(|part| item.parse(part)).collect::<Result<_, _>>()?,
                ))
            }
            Self::Table | Self::Unsupported => None,
        };
        parsed.ok_or_else(|| self.to_string())
    }

    /// Accepts a typed value (of the file). The error is what was expected.
    pub(crate) fn accept(&self, value: Value) -> Result<Value, String> {
        let accepted = match (self, value) {
            (Self::Boolean, value @ Value::Bool(_)) | (Self::Table, value @ Value::Object(_)) => Some(value),
            (Self::Text, Value::String(text)) => Some(Value::String(text)),
            (Self::Integer { min, max }, Value::Number(n)) => {
                n.as_i128().and_then(|n| integer(n, *min, *max))
            }
            (Self::Number, Value::Number(n)) => n.as_f64().and_then(Number::from_f64).map(Value::Number),
            (Self::Choice(words), Value::String(text)) if words.contains(&text) => Some(Value::String(text)),
            (Self::List(item), Value::Array(items)) => {
                let items = items
                    .into_iter()
                    .map(|one| item.accept(one).map_err(|_| self.to_string()));
                Some(Value::Array(items.collect::<Result<_, _>>()?))
            }
            _ => None,
        };
        accepted.ok_or_else(|| self.to_string())
    }
}

fn integer(n: i128, min: i128, max: i128) -> Option<Value> {
    if n < min || n > max {
        return None;
    }
    u64::try_from(n)
        .map(Value::from)
        .or_else(|_| i64::try_from(n).map(Value::from))
        .ok()
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("true or false"),
            Self::Integer { min: 0, max } if *max == i128::from(u64::MAX) => {
                f.write_str("a whole number, 0 or more")
            }
            Self::Integer { min, max } if *max == i128::from(u64::MAX) => {
                write!(f, "a whole number, {min} or more")
            }
            Self::Integer { min, max } if *min == i128::from(i64::MIN) && *max == i128::from(i64::MAX) => {
                f.write_str("a whole number")
            }
            Self::Integer { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Number => f.write_str("a number"),
            Self::Text => f.write_str("text"),
            Self::Choice(words) => write!(f, "one of {}", words.join(", ")),
            Self::List(item) => write!(f, "a list, each item {item}"),
            Self::Table => f.write_str("a table (in the file only)"),
            Self::Unsupported => f.write_str("nothing: this type cannot be set"),
        }
    }
}
