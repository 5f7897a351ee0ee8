//! Leaderships in an SQLite file.

use async_trait::async_trait;
use sql::{SqlError, Sqlite, SqliteConnection, int, scoped};

use super::calls::leaderships_on;
use super::store::{FIND, RELEASE, RENEW, Row, Span, TAKE};
use crate::{Leadership, LeadershipError, LeadershipStore};

/// The table, for a step of a service's migrations. It never changes: what a database took has a checksum.
pub const LEADERSHIP_SQLITE: &str = include_str!("../../migrations/leadership.sqlite.sql");

const GUARD: &str = "SELECT fence, until_ms FROM leadership WHERE name = $1";

/// Refuses the write of a leader that leads no more: its fence is not the newest, or its time in the record is over. The file has
/// one writer at a time, so nobody else begins to lead before the transaction ends.
pub async fn guard_sqlite(
    tx: &mut SqliteConnection,
    leadership: &Leadership,
    now_ms: u64,
) -> Result<(), LeadershipError> {
    let record = sqlx::query_as(GUARD)
        .bind(&leadership.name)
        .fetch_optional(tx)
        .await?;
    leadership.judged(record, now_ms)
}

/// [`LeadershipStore`] in the file of a service. The table comes with the service's own migrations.
#[derive(Debug, Clone)]
pub struct SqliteLeaderships {
    sql: Sqlite,
}

impl SqliteLeaderships {
    /// In a file that has the table.
    pub fn new(sql: Sqlite) -> Self {
        Self { sql }
    }
}

leaderships_on!(SqliteLeaderships);
