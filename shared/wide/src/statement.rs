//! Statements as the code declares them: text and levels in one place.

use scylla::statement::{Consistency, SerialConsistency};

use crate::error::Effect;

/// How many replicas must answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// One replica.
    One,
    /// Most of all replicas.
    Quorum,
    /// Most of the replicas in this datacenter.
    LocalQuorum,
    /// Every replica.
    All,
    /// For reads: the newest agreed value, half-done conditional writes settled first. What a decision hangs on is read so.
    Serial,
    /// [`Level::Serial`] within this datacenter.
    LocalSerial,
}

impl Level {
    pub(crate) fn of_driver(self) -> Consistency {
        match self {
            Self::One => Consistency::One,
            Self::Quorum => Consistency::Quorum,
            Self::LocalQuorum => Consistency::LocalQuorum,
            Self::All => Consistency::All,
            Self::Serial => Consistency::Serial,
            Self::LocalSerial => Consistency::LocalSerial,
        }
    }
}

/// Among whom a conditional write is agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Serial {
    /// The statement has no condition.
    None,
    /// All replicas.
    Global,
    /// The replicas of this datacenter.
    Local,
}

impl Serial {
    pub(crate) fn of_driver(self) -> Option<SerialConsistency> {
        match self {
            Self::None => None,
            Self::Global => Some(SerialConsistency::Serial),
            Self::Local => Some(SerialConsistency::LocalSerial),
        }
    }
}

/// One statement, declared as a `const` with a level for everything. Tables are named with the keyspace's mark, which the
/// session puts in: `{keyspace}.links`.
///
/// ```
/// use wide::{Level, Serial, Statement};
/// const FIND: Statement =
///     Statement::read("find_link", "SELECT url FROM {keyspace}.links WHERE code = ?", Level::LocalQuorum);
/// const CLAIM: Statement = Statement::conditional(
///     "claim_code",
///     "INSERT INTO {keyspace}.links (code, url) VALUES (?, ?) IF NOT EXISTS",
///     Level::Quorum,
///     Serial::Global,
/// );
/// assert!(FIND.idempotent && !CLAIM.idempotent);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Statement {
    /// What metrics and spans call it: a verb and a noun.
    pub name: &'static str,
    /// The text; each table as `{keyspace}.table`.
    pub cql: &'static str,
    /// The level of a read or a write, and of the commit of a conditional write.
    pub consistency: Level,
    /// The level of a condition.
    pub serial: Serial,
    /// Whether doing it twice, with anything in between, is the same as doing it once. An idempotent read is asked of a
    /// second replica when the first is slow; an idempotent write is repeated while its outcome is unknown.
    pub idempotent: bool,
}

impl Statement {
    /// A `SELECT`.
    pub const fn read(name: &'static str, cql: &'static str, consistency: Level) -> Self {
        Self {
            name,
            cql,
            consistency,
            serial: Serial::None,
            idempotent: true,
        }
    }

    /// A write without a condition. It is taken to be not idempotent: say [`Statement::idempotent`] where it is.
    pub const fn write(name: &'static str, cql: &'static str, consistency: Level) -> Self {
        Self {
            name,
            cql,
            consistency,
            serial: Serial::None,
            idempotent: false,
        }
    }

    /// A write with `IF`: agreed at `serial`, visible at `consistency` when it is answered.
    pub const fn conditional(
        name: &'static str,
        cql: &'static str,
        consistency: Level,
        serial: Serial,
    ) -> Self {
        Self {
            name,
            cql,
            consistency,
            serial,
            idempotent: false,
        }
    }

    /// The same, repeatable.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    pub(crate) fn effect(&self) -> Effect {
        let verb = self.cql.trim_start().get(..6).unwrap_or_default();
        if verb.eq_ignore_ascii_case("select") {
            Effect::Read
        } else if self.serial == Serial::None {
            Effect::Write
        } else {
            Effect::Conditional
        }
    }
}
