//! Schema versions: a list in the code, a table in the database, and a refusal where the two disagree.
//!
//! A released program and the next one run side by side while one replaces the other. So a schema changes in two releases:
//! the first *expands* it, in a way that both can live with; the second, when the first is gone, *contracts* it. The database
//! keeps with each step the oldest version that can work with it, so that an older program knows whether it is still welcome.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration as Checked, MigrationType};

use crate::SqlError;

/// One step of a schema. Once released it is never edited: the database remembers its checksum.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Position, starting at 1, without gaps.
    pub version: i64,
    /// A few words for whoever looks into the database.
    pub name: &'static str,
    /// The statements; usually an `include_str!`.
    pub sql: &'static str,
    /// What it does to programs that are older than it.
    pub kind: Kind,
}

/// What a step does to programs that do not know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only adds: a program that does not know the step works on beside one that does.
    Expand,
    /// Takes something away, or asks for something that older programs do not give: they are refused from then on.
    Contract,
}

impl Migration {
    /// A step that only adds: tables, columns with a default, indexes.
    pub const fn expand(version: i64, name: &'static str, sql: &'static str) -> Self {
        let kind = Kind::Expand;
        Self {
            version,
            name,
            sql,
            kind,
        }
    }

    /// A step that older programs cannot live with: a column dropped, a constraint added.
    pub const fn contract(version: i64, name: &'static str, sql: &'static str) -> Self {
        let kind = Kind::Contract;
        Self {
            version,
            name,
            sql,
            kind,
        }
    }
}

/// How far to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Up to the first contract.
    Expand,
    /// To the end.
    All,
}

/// A step that the database has.
#[derive(Debug, Clone)]
pub(crate) struct Applied {
    pub(crate) version: i64,
    pub(crate) checksum: Vec<u8>,
    /// The oldest version that can work with the database after it; `None` where a program applied it that did not say.
    pub(crate) works_from: Option<i64>,
}

impl From<(i64, Vec<u8>, Option<i64>)> for Applied {
    fn from((version, checksum, works_from): (i64, Vec<u8>, Option<i64>)) -> Self {
        Self {
            version,
            checksum,
            works_from,
        }
    }
}

/// A step to be applied now.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) version: i64,
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
    pub(crate) checksum: Vec<u8>,
    pub(crate) works_from: i64,
}

/// A list of steps in order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan(&'static [Migration]);

impl Plan {
    pub(crate) fn of(migrations: &'static [Migration]) -> Result<Self, SqlError> {
        for (expected, migration) in (1..).zip(migrations) {
            if migration.version != expected {
                let message = format!(
                    "versions count up from 1 without gaps; found {}",
                    migration.version
                );
                return Err(SqlError::MigrationFailed { version: 0, message });
            }
        }
        Ok(Self(migrations))
    }

    /// What is not applied yet; refuses a database that this list is too old for or does not match.
    pub(crate) fn pending(&self, applied: &[Applied]) -> Result<Vec<i64>, SqlError> {
        let known = self.0.last().map_or(0, |migration| migration.version);
        if let Some(newest) = applied.last()
            && newest.version > known
            && newest.works_from.unwrap_or(newest.version) > known
        {
            let found = newest.version;
            return Err(SqlError::SchemaNewer { found, known });
        }
        let mut pending = Vec::new();
        for migration in self.0 {
            let version = migration.version;
            match applied.iter().find(|applied| applied.version == version) {
                Some(applied) if applied.checksum != checksum(migration) => {
                    return Err(SqlError::MigrationEdited { version });
                }
                Some(_) => {}
                None => pending.push(version),
            }
        }
        Ok(pending)
    }

    /// The steps to apply now, in one transaction; none when that is all within `scope`.
    pub(crate) fn next(&self, applied: &[Applied], scope: Scope) -> Result<Vec<Step>, SqlError> {
        let pending = self.pending(applied)?;
        let mut steps = self
            .0
            .iter()
            .filter(|migration| pending.contains(&migration.version));
        if applied.is_empty() {
            // Nobody works with it yet, so nobody is left behind; and nobody is to find it half made.
            return Ok(steps.map(|migration| self.step(migration)).collect());
        }
        let Some(next) = steps.next() else {
            return Ok(Vec::new());
        };
        if scope == Scope::Expand && next.kind == Kind::Contract {
            return match steps.find(|later| later.kind == Kind::Expand) {
                Some(_needed) => Err(SqlError::ContractPending {
                    version: next.version,
                }),
                None => Ok(Vec::new()),
            };
        }
        Ok(vec![self.step(next)])
    }

    /// With each version the oldest one that can work with it.
    pub(crate) fn works_from(&self) -> Vec<(i64, i64)> {
        let steps = self.0.iter().map(|migration| self.step(migration));
        steps.map(|step| (step.version, step.works_from)).collect()
    }

    fn step(&self, migration: &Migration) -> Step {
        let contracts = self.0.iter().filter(|step| step.kind == Kind::Contract);
        let until_then = contracts
            .map(|step| step.version)
            .filter(|version| *version <= migration.version);
        Step {
            version: migration.version,
            name: migration.name,
            sql: migration.sql,
            checksum: checksum(migration),
            works_from: until_then.max().unwrap_or(0),
        }
    }
}

/// As sqlx's own migrator makes it, whose table this is.
fn checksum(migration: &Migration) -> Vec<u8> {
    let Migration {
        version, name, sql, ..
    } = *migration;
    let kind = MigrationType::Simple;
    Checked::new(version, name.into(), kind, sql.into_sql_str(), false)
        .checksum
        .into_owned()
}

impl SqlError {
    /// What the engine said to a step: its own fault, unless it is one that passes.
    pub(crate) fn of_migration(self, version: i64) -> Self {
        if self.retryable() || self.is_unknown() {
            return self;
        }
        let message = self.to_string();
        Self::MigrationFailed { version, message }
    }
}
