//! A value that must reach a library, never a log, a page or a dump of the settings.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

/// What stands in the place of a secret wherever it is shown.
pub const MASK: &str = "***";

/// A secret setting. Debug, Display and Serialize show `***`; only [`Secret::expose`] gives the text.
/// An empty text means "not set" and is shown as such, so that a missing password is visible.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself. Hand it straight to what needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// True when nothing was set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn shown(&self) -> &'static str {
        if self.is_empty() { "" } else { MASK }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() {
            "Secret(unset)"
        } else {
            "Secret(***)"
        })
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.shown())
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "password", "writeOnly": true })
    }
}

/// A text as it may be shown: where it is a URL with a password or a token, without that. Any setting that holds a URL may hold one.
pub(crate) fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    // The last one in the whole text: a secret that was not escaped may hold anything. A path with one is hidden too far, which
    // does no harm.
    let Some((before, after)) = rest.rsplit_once('@') else {
        return text.to_owned();
    };
    match before.split_once(':') {
        Some((name, _)) if !name.contains('/') => format!("{scheme}://{name}:{MASK}@{after}"),
        // What stands alone is a token for NATS, and a mere name for the others.
        None if scheme != "nats" && !before.contains('/') => text.to_owned(),
        _ => format!("{scheme}://{MASK}@{after}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_url_only_the_password_is_hidden() {
        for (text, shown) in [
            (
                "postgres://me:secret@db:5432/links",
                "postgres://me:***@db:5432/links",
            ),
            (
                "redis://:secret@cache/0?prefix=a",
                "redis://:***@cache/0?prefix=a",
            ),
            ("postgres://me:se@cret@db/links", "postgres://me:***@db/links"),
            ("postgres://me@db/links", "postgres://me@db/links"),
            (
                "nats://token@events:4222?prefix=a",
                "nats://***@events:4222?prefix=a",
            ),
            ("nats://me:se/cret@events:4222", "nats://me:***@events:4222"),
            ("redis://:se#cret@cache:1/0", "redis://:***@cache:1/0"),
            ("http://127.0.0.1:8080/path", "http://127.0.0.1:8080/path"),
            ("scylla://a:1,b:2/links", "scylla://a:1,b:2/links"),
            ("sqlite:.orrery/a.db", "sqlite:.orrery/a.db"),
            ("plain", "plain"),
        ] {
            assert_eq!(without_password(text), shown);
        }
    }
}
