//! Schema versions: a list in the code, a table in the file, and a refusal where the two disagree.

use sqlx::SqlSafeStr;
use sqlx::migrate::{MigrateError, Migration as Step, MigrationType, Migrator};

use crate::{SqlError, Sqlite, scoped};

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

impl Sqlite {
    /// Brings the file to the newest version, each step in a transaction of its own. Refuses a file that is newer than
    /// the code ([`SqlError::SchemaNewer`]) or holds an edited step ([`SqlError::MigrationEdited`]), before anything is
    /// changed. Several processes may do so at once.
    pub async fn migrate(&self, migrations: &'static [Migration]) -> Result<(), SqlError> {
        let migrator = migrator(migrations)?;
        let mut pending = self.pending(migrations).await?;
        while !pending.is_empty() {
            let outcome = self.apply(&migrator).await;
            let left = self.pending(migrations).await?;
            // A step that failed here because another process was faster stands, and that is all that was wanted.
            if left.len() == pending.len() {
                return outcome;
            }
            pending = left;
        }
        Ok(())
    }

    async fn apply(&self, migrator: &Migrator) -> Result<(), SqlError> {
        self.inner
            .with_writer(async |connection| {
                migrator
                    .run_direct(None, connection, false)
                    .await
                    .map_err(|error| match error {
                        MigrateError::VersionMismatch(version) => SqlError::MigrationEdited { version },
                        MigrateError::ExecuteMigration(error, version) => SqlError::MigrationFailed {
                            version,
                            message: error.to_string(),
                        },
                        MigrateError::Execute(error) => SqlError::from(error),
                        other => SqlError::MigrationFailed {
                            version: 0,
                            message: other.to_string(),
                        },
                    })
            })
            .await
    }

    /// The versions that [`Sqlite::migrate`] would apply, oldest first; refuses what it would refuse. Changes nothing.
    pub async fn pending(&self, migrations: &'static [Migration]) -> Result<Vec<i64>, SqlError> {
        let migrator = migrator(migrations)?;
        let applied: Vec<(i64, Vec<u8>)> = self
            .read("schema_version", |connection| {
                scoped(async move {
                    let made: Option<i64> =
                        sqlx::query_scalar("SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations'")
                            .fetch_optional(&mut *connection)
                            .await?;
                    if made.is_none() {
                        return Ok(Vec::new());
                    }
                    let query =
                        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations ORDER BY version");
                    Ok::<_, SqlError>(query.fetch_all(connection).await?)
                })
            })
            .await?;
        let known = migrations.last().map_or(0, |migration| migration.version);
        if let Some((found, _)) = applied.last().filter(|(version, _)| *version > known) {
            return Err(SqlError::SchemaNewer { found: *found, known });
        }
        let mut pending = Vec::new();
        for step in migrator.iter() {
            match applied.iter().find(|(version, _)| *version == step.version) {
                Some((version, checksum)) if checksum[..] != step.checksum[..] => {
                    return Err(SqlError::MigrationEdited { version: *version });
                }
                Some(_) => {}
                None => pending.push(step.version),
            }
        }
        Ok(pending)
    }
}

fn migrator(migrations: &'static [Migration]) -> Result<Migrator, SqlError> {
    for (expected, migration) in (1..).zip(migrations) {
        if migration.version != expected {
            let message = format!(
                "versions count up from 1 without gaps; found {}",
                migration.version
            );
            return Err(SqlError::MigrationFailed { version: 0, message });
        }
    }
    let step = |migration: &Migration| {
        let kind = MigrationType::Simple;
        Step::new(
            migration.version,
            migration.name.into(),
            kind,
            migration.sql.into_sql_str(),
            false,
        )
    };
    Ok(Migrator::with_migrations(migrations.iter().map(step).collect()))
}
