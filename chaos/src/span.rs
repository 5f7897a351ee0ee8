//! Lengths of time as Kubernetes writes them: `250ms`, `1m30s`, `-45s`.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// A length of time read from a file; never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match signed(&text) {
            Some((false, span)) => Ok(Self(span)),
            _ => Err(serde::de::Error::custom(format!(
                "`{text}` is no length of time: write it like 250ms, 6s or 1m30s"
            ))),
        }
    }
}

/// A difference of time: whether it is negative, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset {
    /// Whether it goes back.
    pub back: bool,
    /// How far.
    pub by: Duration,
}

impl<'de> Deserialize<'de> for Offset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (back, by) = signed(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("`{text}` is no offset: write it like 30s or -1h"))
        })?;
        Ok(Self { back, by })
    }
}

impl std::fmt::Display for Offset {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}{:?}", if self.back { "-" } else { "+" }, self.by)
    }
}

/// What Go's `time.ParseDuration` takes, without fractions.
fn signed(text: &str) -> Option<(bool, Duration)> {
    let (back, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return None;
    }
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let one_ms = match &rest[..unit] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        sum = sum.checked_add(Duration::from_millis(number.checked_mul(one_ms)?))?;
        rest = &rest[unit..];
    }
    Some((back, sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_kubernetes_writes_them() {
        let ms = |text| signed(text).map(|(back, by)| (back, by.as_millis()));
        assert_eq!(ms("250ms"), Some((false, 250)));
        assert_eq!(ms("1m30s"), Some((false, 90_000)));
        assert_eq!(ms("-1h"), Some((true, 3_600_000)));
        for bad in ["", "-", "5", "s", "1x", "1.5s", "99999999999999999999s", "1s-"] {
            assert_eq!(ms(bad), None, "{bad}");
        }
    }
}
