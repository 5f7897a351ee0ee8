//! A check of the file itself, for `orrery check`.

use std::time::Duration;

use crate::{SqlError, Sqlite, scoped};

/// A whole file is read, whatever its size; past this the disk is the problem.
const VERIFY_LIMIT: Duration = Duration::from_mins(10);

/// Lines of SQLite's report that are passed on.
const FINDINGS_MAX: usize = 5;

impl Sqlite {
    /// Reads the whole file: its pages, its indexes' order and its foreign keys. `Corrupt` names what was found.
    pub async fn verify(&self) -> Result<(), SqlError> {
        self.read_within(VERIFY_LIMIT, "verify", |connection| {
            scoped(async move {
                let findings: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check(5)")
                    .fetch_all(&mut *connection)
                    .await?;
                if findings != ["ok"] {
                    return Err(SqlError::Corrupt(findings.join("; ")));
                }
                // Columns: table, rowid (NULL without one), parent, number of the key.
                let orphans: Vec<(String, Option<i64>, String, i64)> =
                    sqlx::query_as("PRAGMA foreign_key_check")
                        .fetch_all(connection)
                        .await?;
                if orphans.is_empty() {
                    return Ok(());
                }
                let tables = orphans
                    .iter()
                    .take(FINDINGS_MAX)
                    .map(|orphan| format!("{} -> {}", orphan.0, orphan.2));
                let tables = tables.collect::<Vec<_>>().join(", ");
                Err(SqlError::Corrupt(format!(
                    "{} rows without their parent: {tables}",
                    orphans.len()
                )))
            })
        })
        .await
    }
}
