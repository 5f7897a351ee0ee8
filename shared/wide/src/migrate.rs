//! Schema versions: a list in the code, a table in the keyspace, and a refusal where the two cannot live together.

use crate::{Wide, WideError};

/// Whether a program that does not know a step can live with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Adds: a program that does not know it goes on working.
    Expand,
    /// Takes away or changes meaning: a program that does not know it must not work with the keyspace.
    Contract,
}

/// One step of a schema. Once released it is never edited: the keyspace remembers its text.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Position, starting at 1, without gaps.
    pub version: i64,
    /// A few words for whoever looks into the keyspace.
    pub name: &'static str,
    /// Statements with a `;` after each, which can be repeated (`IF NOT EXISTS`); usually an `include_str!`. Tables are
    /// named `{keyspace}.table`.
    pub cql: &'static str,
    /// What it does to programs that do not know it.
    pub change: Change,
}

impl Migration {
    /// A step that adds.
    pub const fn expand(version: i64, name: &'static str, cql: &'static str) -> Self {
        let change = Change::Expand;
        Self {
            version,
            name,
            cql,
            change,
        }
    }

    /// A step that takes away.
    pub const fn contract(version: i64, name: &'static str, cql: &'static str) -> Self {
        let change = Change::Contract;
        Self {
            version,
            name,
            cql,
            change,
        }
    }
}

impl Wide {
    /// Makes the keyspace if it is not there and applies the steps that add, up to the first that takes away and was not
    /// applied. Several processes may do so at once: one works, the others wait for it.
    pub async fn migrate(&self, migrations: &'static [Migration]) -> Result<(), WideError> {
        let _ = migrations;
        Err(WideError::Unexpected("not yet".to_owned()))
    }

    /// Applies all steps, those that take away included: once no program is left that needs what they take.
    pub async fn migrate_contract(&self, migrations: &'static [Migration]) -> Result<(), WideError> {
        let _ = migrations;
        Err(WideError::Unexpected("not yet".to_owned()))
    }

    /// The versions that are not applied yet, oldest first; refuses what migrating would refuse. Changes nothing.
    pub async fn pending(&self, migrations: &'static [Migration]) -> Result<Vec<i64>, WideError> {
        let _ = migrations;
        Err(WideError::Unexpected("not yet".to_owned()))
    }

    /// The newest step applied to the keyspace; 0 before the first.
    pub async fn schema_version(&self) -> Result<i64, WideError> {
        Err(WideError::Unexpected("not yet".to_owned()))
    }
}
