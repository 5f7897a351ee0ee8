//! How far the ledger's links are in the stream.

use leases::{
    Leadership, LeadershipStore, PostgresLeaderships, SqliteLeaderships, guard_postgres, guard_sqlite,
};
use std::sync::Arc;

use super::{Database, StoreError};

const PLACES: &str = "SELECT shard, link FROM feed ORDER BY shard";

/// It never goes back.
const MOVE_ON: &str = "
    INSERT INTO feed (shard, link) VALUES ($1, $2)
    ON CONFLICT (shard) DO UPDATE SET link = excluded.link WHERE feed.link < excluded.link";

/// The places of the feed. Only its leader moves them.
#[derive(Debug, Clone)]
pub struct FeedPlaces {
    database: Database,
}

impl FeedPlaces {
    /// On an open database that has the table.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Who may lead the feed.
    pub fn leaderships(&self) -> Arc<dyn LeadershipStore> {
        match &self.database {
            Database::Sqlite(sql) => Arc::new(SqliteLeaderships::new(sql.clone())),
            Database::Postgres(sql) => Arc::new(PostgresLeaderships::new(sql.clone())),
        }
    }

    /// The last link of each shard that is in the stream whole; a shard that is not named has none.
    pub async fn all(&self) -> Result<Vec<(i16, i64)>, StoreError> {
        match &self.database {
            Database::Sqlite(sql) => {
                sql.read("feed_places", |conn| {
                    sql::scoped(async move { Ok(sqlx::query_as(PLACES).fetch_all(conn).await?) })
                })
                .await
            }
            Database::Postgres(sql) => {
                sql.read("feed_places", |conn| {
                    sql::scoped(async move { Ok(sqlx::query_as(PLACES).fetch_all(conn).await?) })
                })
                .await
            }
        }
    }

    /// Everything of the shard up to this link is durable in the stream. [`StoreError::Fenced`] for a leader that leads no more.
    pub async fn move_on(
        &self,
        leadership: &Leadership,
        shard: i16,
        link: i64,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        match &self.database {
            Database::Sqlite(sql) => {
                sql.write("feed_move_on", |tx| {
                    sql::scoped(async move {
                        sqlx::query(MOVE_ON)
                            .bind(shard)
                            .bind(link)
                            .execute(&mut *tx)
                            .await?;
                        Ok(guard_sqlite(tx, leadership, now_ms).await?)
                    })
                })
                .await
            }
            Database::Postgres(sql) => {
                sql.write("feed_move_on", |tx| {
                    sql::scoped(async move {
                        sqlx::query(MOVE_ON)
                            .bind(shard)
                            .bind(link)
                            .execute(&mut *tx)
                            .await?;
                        Ok(guard_postgres(tx, leadership, now_ms).await?)
                    })
                })
                .await
            }
        }
    }
}
