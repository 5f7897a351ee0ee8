//! Leaderships in a PostgreSQL database.

use async_trait::async_trait;
use sql::{PgConnection, Postgres, SqlError, int, scoped};

use super::calls::leaderships_on;
use super::store::{FIND, RELEASE, RENEW, Row, Span, TAKE};
use crate::{Leadership, LeadershipError, LeadershipStore};

/// The table, for a step of a service's migrations. It never changes: what a database took has a checksum.
pub const LEADERSHIP_POSTGRES: &str = include_str!("../../migrations/leadership.postgres.sql");

/// Compatible with a renewal and with other guards, not with a taking or a release.
const GUARD: &str = "SELECT fence, until_ms FROM leadership WHERE name = $1 FOR KEY SHARE";

/// Refuses the write of a leader that leads no more: its fence is not the newest, or its time in the record is over. From here to
/// the end of the transaction nobody else can begin to lead, so what is committed was written by the leader. Make it the last
/// statement: a leader that freezes earlier then keeps no successor waiting.
pub async fn guard_postgres(
    tx: &mut PgConnection,
    leadership: &Leadership,
    now_ms: u64,
) -> Result<(), LeadershipError> {
    let record = sqlx::query_as(GUARD)
        .bind(&leadership.name)
        .fetch_optional(tx)
        .await?;
    leadership.judged(record, now_ms)
}

/// [`LeadershipStore`] in the schema of a service. The table comes with the service's own migrations.
#[derive(Debug, Clone)]
pub struct PostgresLeaderships {
    sql: Postgres,
}

impl PostgresLeaderships {
    /// In a database that has the table.
    pub fn new(sql: Postgres) -> Self {
        Self { sql }
    }
}

leaderships_on!(PostgresLeaderships);
