//! What a token allows.

use std::sync::Arc;

use crate::error::InvalidName;

/// Allows reading one's links.
pub const LINKS_READ: &str = "links:read";
/// Allows making, changing and deleting one's links.
pub const LINKS_WRITE: &str = "links:write";
/// Allows reading the ledger: accounts, balances, transfers, holds.
pub const LEDGER_READ: &str = "ledger:read";
/// Allows opening accounts and moving money between them.
pub const LEDGER_WRITE: &str = "ledger:write";
/// Allows reading payments, their webhooks and their settlements.
pub const PAYMENTS_READ: &str = "payments:read";
/// Allows paying, refunding, and keeping webhook endpoints.
pub const PAYMENTS_WRITE: &str = "payments:write";
/// Allows watching the platform: its map, objectives and traces, of all tenants.
pub const CONSOLE_READ: &str = "console:read";
/// The most scopes in one token.
pub const SCOPES_MAX: usize = 32;
/// The longest scope, in bytes.
pub const SCOPE_BYTES_MAX: usize = 64;

/// A set of scopes: space-separated in a token (RFC 6749, section 3.3), sorted and without repeats here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scopes(Arc<[Box<str>]>);

impl Scopes {
    /// No scope at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// Parses a space-separated list: at most [`SCOPES_MAX`] of at most [`SCOPE_BYTES_MAX`] visible ASCII characters
    /// without `"` and `\`. An empty text is the empty set.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        Self::of(text.split(' ').filter(|part| !part.is_empty()))
    }

    /// The set of the given scopes; refused as by [`Scopes::parse`].
    pub fn of<I: IntoIterator<Item: AsRef<str>>>(scopes: I) -> Result<Self, InvalidName> {
        let refused = InvalidName { kind: "scope" };
        let mut list: Vec<Box<str>> = Vec::new();
        for scope in scopes {
            let scope = scope.as_ref();
            let visible = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            let plain = !scope.is_empty() && scope.len() <= SCOPE_BYTES_MAX && scope.bytes().all(visible);
            if !plain || list.len() == SCOPES_MAX {
                return Err(refused);
            }
            list.push(scope.into());
        }
        list.sort_unstable();
        list.dedup();
        Ok(Self(list.into()))
    }

    /// Whether `scope` is in the set.
    pub fn contains(&self, scope: &str) -> bool {
        self.0.binary_search_by(|have| have.as_ref().cmp(scope)).is_ok()
    }

    /// The scopes in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Display for Scopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, scope) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope)?;
        }
        Ok(())
    }
}

impl TryFrom<String> for Scopes {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        Self::parse(&text)
    }
}

impl From<Scopes> for String {
    fn from(scopes: Scopes) -> Self {
        scopes.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_a_set_whatever_the_order_and_spacing() {
        let scopes = Scopes::parse(" links:write  links:read links:write ").unwrap();
        assert_eq!(scopes.to_string(), "links:read links:write");
        assert!(scopes.contains(LINKS_READ) && scopes.contains(LINKS_WRITE));
        assert!(!scopes.contains("links"));
        assert!(Scopes::parse("").unwrap().is_empty());
    }

    #[test]
    fn odd_or_too_many_scopes_are_refused() {
        assert!(Scopes::parse("a\tb").is_err());
        assert!(Scopes::parse("a\"b").is_err());
        assert!(Scopes::parse(&"x".repeat(65)).is_err());
        assert!(Scopes::of((0..33).map(|i| format!("s{i}"))).is_err());
        assert!(Scopes::of((0..32).map(|i| format!("s{i}"))).is_ok());
    }
}
