//! Values of span attributes: what the rest of the platform may hand in without knowing the OpenTelemetry crates.

use std::borrow::Cow;

use crate::redact;

/// A value of a span attribute. Text is redacted when it is taken.
#[derive(Debug, Clone, PartialEq)]
pub enum AttributeValue {
    /// A whole number; a larger one than `i64` holds is capped.
    Integer(i64),
    /// A number.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// Text.
    Text(Cow<'static, str>),
}

impl AttributeValue {
    /// The OpenTelemetry value, masked if the attribute's name says that it is a secret.
    pub(crate) fn into_otel(self, name: &str) -> opentelemetry::Value {
        if redact::is_secret_name(name) {
            return opentelemetry::Value::from(redact::MASK);
        }
        match self {
            Self::Integer(value) => value.into(),
            Self::Float(value) => value.into(),
            Self::Bool(value) => value.into(),
            Self::Text(text) => match redact::redacted(&text) {
                Cow::Owned(masked) => masked.into(),
                Cow::Borrowed(_) => text.into(),
            },
        }
    }
}

impl From<&'static str> for AttributeValue {
    fn from(value: &'static str) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

impl From<String> for AttributeValue {
    fn from(value: String) -> Self {
        Self::Text(Cow::Owned(value))
    }
}

impl From<bool> for AttributeValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for AttributeValue {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<i64> for AttributeValue {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

macro_rules! from_whole_numbers {
    ($($number:ty),*) => {$(
        impl From<$number> for AttributeValue {
            fn from(value: $number) -> Self {
                Self::Integer(i64::try_from(value).unwrap_or(i64::MAX))
            }
        }
    )*};
}
from_whole_numbers!(i32, u16, u32, u64, usize);
