//! A link and its parts. What cannot be built wrong need not be checked again.

mod code;
mod details;
mod domains;
mod known_bad;
mod rules;
mod tags;
mod target;
mod utm;

pub use code::{
    Alias, AliasError, CODE_BYTES_MAX, CODE_BYTES_MIN, Code, GENERATED_BYTES, GENERATED_CODES, RESERVED_WORDS,
};
pub use details::{Details, PasswordHash, Routing, Rule, Weighted};
pub use domains::{DOMAINS_MAX, Domain, DomainLists, DomainRefusal, NotADomain};
pub use known_bad::{Found, KnownBad};
pub use rules::{Conflict, conflicts};
pub use tags::{TAG_CHARS_MAX, TAGS_MAX, Tags, TagsError};
pub use target::{OwnHosts, TargetError, TargetUrl, URL_BYTES_MAX};
pub use utm::Utm;

use identity::Tenant;
use ids::Id;

/// How long a link lives. A permanent link cannot expire, so the two do not combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Answered with 301: the owner promises that the URL never changes by time.
    Permanent,
    /// Answered with 302 until somebody deletes it.
    UntilDeleted,
    /// Answered with 302 before this moment (Unix ms) and with 410 from it on.
    Until(u64),
}

/// A permanent link with an expiry was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a permanent link cannot have an expiry: browsers remember where it leads")]
pub struct PermanentExpires;

impl Lifetime {
    /// Combines the two fields of the wire.
    pub fn of(permanent: bool, expires_at_ms: Option<u64>) -> Result<Self, PermanentExpires> {
        match (permanent, expires_at_ms) {
            (true, Some(_)) => Err(PermanentExpires),
            (true, None) => Ok(Self::Permanent),
            (false, Some(at_ms)) => Ok(Self::Until(at_ms)),
            (false, None) => Ok(Self::UntilDeleted),
        }
    }

    /// Whether the link answers with 301.
    pub fn is_permanent(self) -> bool {
        self == Self::Permanent
    }

    /// The moment it ends (Unix ms), if it does.
    pub fn expires_at_ms(self) -> Option<u64> {
        match self {
            Self::Until(at_ms) => Some(at_ms),
            Self::Permanent | Self::UntilDeleted => None,
        }
    }

    /// Whether it is over at `now_ms` (Unix ms).
    pub fn is_over(self, now_ms: u64) -> bool {
        self.expires_at_ms().is_some_and(|at_ms| at_ms <= now_ms)
    }
}

/// A short link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its id, later ids being larger; never reused, unlike an alias.
    pub id: Id,
    /// Whom it belongs to.
    pub tenant: Tenant,
    /// What stands behind the slash.
    pub code: Code,
    /// Where it leads.
    pub target: TargetUrl,
    /// How long it lives.
    pub lifetime: Lifetime,
    /// Its tags.
    pub tags: Tags,
    /// When it was made (Unix ms).
    pub created_at_ms: u64,
    /// When it was last changed (Unix ms).
    pub updated_at_ms: u64,
    /// Counts changes from 1; a change is stored only over the revision it was made from.
    pub revision: u64,
    /// What most links do not have.
    pub details: Details,
}

/// How often a link was followed, as far as click events have been counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clicks {
    /// Redirects counted.
    pub count: u64,
    /// The latest counted one (Unix ms).
    pub last_at_ms: Option<u64>,
}

/// A link with its counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedLink {
    /// The link.
    pub link: Link,
    /// Its counts.
    pub clicks: Clicks,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permanent_link_cannot_expire() {
        assert_eq!(Lifetime::of(true, Some(1)), Err(PermanentExpires));
        assert_eq!(Lifetime::of(true, None), Ok(Lifetime::Permanent));
    }

    #[test]
    fn a_link_is_over_from_its_last_moment_on() {
        let lifetime = Lifetime::of(false, Some(1_000)).unwrap();
        assert!(!lifetime.is_over(999));
        assert!(lifetime.is_over(1_000));
        assert!(!Lifetime::UntilDeleted.is_over(u64::MAX));
    }
}
