//! [`StatisticsStore`] in the file that has the links.

use std::ops::RangeInclusive;

use async_trait::async_trait;
use identity::Tenant;
use sql::{Sqlite, SqliteConnection, scoped};
use sqlx::query_builder::Separated;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _};

use crate::store::StoreError;
use crate::store::statistics::stored::{self, ALL_TIME, KeyColumns};
use crate::store::statistics::{Day, PageKey, StatisticsStore, StoredHead, StoredPage, Subject};
use crate::store::stored::{integer, natural};

/// Rows of one statement: each statement costs a hop to SQLite's thread and back, and a statement has a limit to what is bound to it.
const ROWS: usize = 200;

/// A page's columns in the order in which [`page`] reads them.
const COLUMNS: &str = "tenant, link_id, day, lane, through, body";

/// A row of a statement's VALUES.
type Tuple<'q> = Separated<'q, sqlx::Sqlite, &'static str>;

/// Statistics on SQLite. Each call is a transaction of its own.
#[derive(Clone, Debug)]
pub struct SqliteStatistics {
    db: Sqlite,
}

impl SqliteStatistics {
    /// On a file whose schema [`SqliteLinkStore::open`](super::SqliteLinkStore::open) has brought up to date.
    pub fn new(db: Sqlite) -> Self {
        Self { db }
    }
}

#[async_trait]
impl StatisticsStore for SqliteStatistics {
    async fn head(&self, partition: u8) -> Result<Option<StoredHead>, StoreError> {
        self.db
            .read("find_statistics_head", |conn| scoped(head(conn, partition)))
            .await
    }

    async fn pages(&self, keys: &[PageKey]) -> Result<Vec<Option<StoredPage>>, StoreError> {
        let found = self
            .db
            .read("find_statistics_pages", |conn| scoped(pages(conn, keys)))
            .await?;
        Ok(stored::in_order_of(keys, found))
    }

    async fn put(&self, pages: &[StoredPage], head: Option<&StoredHead>) -> Result<(), StoreError> {
        self.db
            .write("put_statistics", |tx| scoped(put(tx, pages, head)))
            .await
    }

    async fn read(
        &self,
        tenant: &Tenant,
        subject: Subject,
        days: RangeInclusive<Day>,
    ) -> Result<Vec<StoredPage>, StoreError> {
        self.db
            .read("read_statistics", |conn| {
                scoped(read(conn, tenant, subject, days))
            })
            .await
    }

    async fn totals(&self, tenant: &Tenant, subjects: &[Subject]) -> Result<Vec<StoredPage>, StoreError> {
        self.db
            .read("read_statistics_totals", |conn| {
                scoped(totals(conn, tenant, subjects))
            })
            .await
    }

    async fn visitor_key(&self, day: Day, candidate: [u8; 32]) -> Result<[u8; 32], StoreError> {
        self.db
            .write("visitor_key", |tx| scoped(visitor_key(tx, day, candidate)))
            .await
    }

    async fn forget_visitor_keys(&self, before: Day) -> Result<(), StoreError> {
        self.db
            .write("forget_visitor_keys", |tx| {
                scoped(forget_visitor_keys(tx, before))
            })
            .await
    }

    async fn collect_pages(&self, before: Day, rows_max: u32) -> Result<u64, StoreError> {
        self.db
            .write("collect_statistics", |tx| {
                scoped(collect_pages(tx, before, rows_max))
            })
            .await
    }
}

async fn head(conn: &mut SqliteConnection, partition: u8) -> Result<Option<StoredHead>, StoreError> {
    let row = sqlx::query(
        "SELECT lane, position, body FROM statistics_heads WHERE partition = ? ORDER BY lane DESC LIMIT 1",
    )
    .bind(i64::from(partition))
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(StoredHead {
        lane: stored::lane(row.try_get(0)?)?,
        position: natural(row.try_get(1)?)?,
        body: row.try_get(2)?,
    }))
}

async fn pages(conn: &mut SqliteConnection, keys: &[PageKey]) -> Result<Vec<StoredPage>, StoreError> {
    let mut found = Vec::with_capacity(keys.len());
    for some in keys.chunks(ROWS) {
        let mut query = QueryBuilder::new(format!(
            "SELECT {COLUMNS} FROM statistics_pages WHERE (tenant, link_id, day, lane) IN ("
        ));
        let columns = some.iter().map(KeyColumns::of).collect::<Result<Vec<_>, _>>()?;
        query.push_values(&columns, |row, key| {
            push_key(row, key);
        });
        query.push(")");
        for row in query.build().persistent(false).fetch_all(&mut *conn).await? {
            found.push(page(&row)?);
        }
    }
    Ok(found)
}

async fn put(
    tx: &mut SqliteConnection,
    pages: &[StoredPage],
    head: Option<&StoredHead>,
) -> Result<(), StoreError> {
    for some in pages.chunks(ROWS) {
        let mut query = QueryBuilder::new(format!(
            "INSERT INTO statistics_pages ({COLUMNS}) SELECT * FROM ("
        ));
        let columns = some
            .iter()
            .map(|page| Ok((KeyColumns::of(&page.key)?, integer(page.through)?, &page.body)))
            .collect::<Result<Vec<_>, StoreError>>()?;
        query.push_values(&columns, |row, (key, through, body)| {
            push_key(row, key).push_bind(*through).push_bind(body.as_slice());
        });
        // Of a link that is gone nothing is kept: whoever counts may not have heard of it.
        query.push(
            ") AS v WHERE v.column2 = 0 \
                OR EXISTS (SELECT 1 FROM links_by_tenant t WHERE t.tenant = v.column1 AND t.id = v.column2) \
             ON CONFLICT (tenant, link_id, day, lane) DO UPDATE \
             SET through = excluded.through, body = excluded.body \
             WHERE excluded.through > statistics_pages.through",
        );
        query.build().persistent(false).execute(&mut *tx).await?;
    }
    let Some(head) = head else { return Ok(()) };
    sqlx::query(
        "INSERT INTO statistics_heads (partition, lane, position, body) VALUES (?, ?, ?, ?) \
         ON CONFLICT (partition, lane) DO UPDATE SET position = excluded.position, body = excluded.body \
         WHERE excluded.position > statistics_heads.position",
    )
    .bind(i64::from(head.lane.partition))
    .bind(integer(head.lane.number())?)
    .bind(integer(head.position)?)
    .bind(&head.body)
    .execute(tx)
    .await?;
    Ok(())
}

async fn read(
    conn: &mut SqliteConnection,
    tenant: &Tenant,
    subject: Subject,
    days: RangeInclusive<Day>,
) -> Result<Vec<StoredPage>, StoreError> {
    let rows = sqlx::query(
        "SELECT tenant, link_id, day, lane, through, body FROM statistics_pages \
         WHERE tenant = ? AND link_id = ? AND day BETWEEN ? AND ? ORDER BY day, lane",
    )
    .bind(tenant.as_str())
    .bind(stored::subject(subject)?)
    // Day 0 stands for all time.
    .bind(i64::from((*days.start()).max(1)))
    .bind(i64::from(*days.end()))
    .fetch_all(conn)
    .await?;
    rows.iter().map(page).collect()
}

async fn totals(
    conn: &mut SqliteConnection,
    tenant: &Tenant,
    subjects: &[Subject],
) -> Result<Vec<StoredPage>, StoreError> {
    let mut found = Vec::new();
    for some in subjects.chunks(ROWS) {
        let mut query = QueryBuilder::new(format!("SELECT {COLUMNS} FROM statistics_pages WHERE tenant = "));
        query.push_bind(tenant.as_str());
        query.push(" AND day = ").push_bind(ALL_TIME);
        query.push(" AND link_id IN (");
        let mut numbers = query.separated(", ");
        for subject in some {
            numbers.push_bind(stored::subject(*subject)?);
        }
        query.push(")");
        for row in query.build().persistent(false).fetch_all(&mut *conn).await? {
            found.push(page(&row)?);
        }
    }
    Ok(found)
}

async fn visitor_key(
    tx: &mut SqliteConnection,
    day: Day,
    candidate: [u8; 32],
) -> Result<[u8; 32], StoreError> {
    // An update of nothing, so that the row is returned which stands.
    let key: Vec<u8> = sqlx::query_scalar(
        "INSERT INTO visitor_keys (day, key) VALUES (?, ?) ON CONFLICT (day) DO UPDATE SET day = day RETURNING key",
    )
    .bind(i64::from(day))
    .bind(&candidate[..])
    .fetch_one(tx)
    .await?;
    stored::visitor_key(&key)
}

async fn forget_visitor_keys(tx: &mut SqliteConnection, before: Day) -> Result<(), StoreError> {
    // Overwritten first: what is only deleted stays readable in the file until its page is used again.
    for statement in [
        "UPDATE visitor_keys SET key = zeroblob(32) WHERE day < ?",
        "DELETE FROM visitor_keys WHERE day < ?",
    ] {
        sqlx::query(statement)
            .bind(i64::from(before))
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}

async fn collect_pages(tx: &mut SqliteConnection, before: Day, rows_max: u32) -> Result<u64, StoreError> {
    let deleted = sqlx::query(
        "DELETE FROM statistics_pages WHERE rowid IN \
         (SELECT rowid FROM statistics_pages WHERE day > 0 AND day < ? ORDER BY day LIMIT ?)",
    )
    .bind(i64::from(before))
    .bind(i64::from(rows_max))
    .execute(tx)
    .await?;
    Ok(deleted.rows_affected())
}

fn push_key<'q>(mut row: Tuple<'q>, key: &KeyColumns<'_>) -> Tuple<'q> {
    row.push_bind(key.tenant.to_owned())
        .push_bind(key.link_id)
        .push_bind(key.day)
        .push_bind(key.lane);
    row
}

fn page(row: &SqliteRow) -> Result<StoredPage, StoreError> {
    let key = KeyColumns {
        tenant: row.try_get(0)?,
        link_id: row.try_get(1)?,
        day: row.try_get(2)?,
        lane: row.try_get(3)?,
    };
    Ok(StoredPage {
        key: key.read()?,
        through: natural(row.try_get(4)?)?,
        body: row.try_get(5)?,
    })
}
