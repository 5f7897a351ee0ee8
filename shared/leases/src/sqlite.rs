use crate::{Grant, LeaseError, LeaseStore, SLOTS};
use async_trait::async_trait;
use sql::{Migration, SqlError, Sqlite, SqliteConnection, scoped};

const MIGRATIONS: &[Migration] = &[Migration::expand(
    1,
    "worker_lease",
    include_str!("../migrations/1_worker_lease.sql"),
)];

/// The time never shrinks, not even when a slot is taken by a clock that stands behind its former holder's.
const TAKE: &str = "
    INSERT INTO worker_lease (slot, holder, epoch, issue_until_ms) VALUES (?1, ?2, 1, ?3)
    ON CONFLICT (slot) DO UPDATE SET
        holder = excluded.holder,
        epoch = epoch + 1,
        issue_until_ms = MAX(issue_until_ms, excluded.issue_until_ms)
    RETURNING epoch";

const RENEW: &str = "
    UPDATE worker_lease SET issue_until_ms = MAX(issue_until_ms, ?3)
    WHERE slot = ?1 AND epoch = ?2
    RETURNING issue_until_ms";

/// The epoch goes up, so that a renewal that is still on its way comes too late.
const RELEASE: &str = "
    UPDATE worker_lease SET holder = NULL, epoch = epoch + 1, issue_until_ms = ?3
    WHERE slot = ?1 AND epoch = ?2";

/// Slots in one SQLite file (`leases.db`).
#[derive(Debug, Clone)]
pub struct SqliteLeaseStore {
    sql: Sqlite,
}

impl SqliteLeaseStore {
    /// Brings the file's schema up to date.
    pub async fn open(sql: Sqlite) -> Result<Self, LeaseError> {
        sql.migrate(MIGRATIONS).await?;
        Ok(Self { sql })
    }

    /// The schema's steps, for `orrery migrate`.
    pub fn migrations() -> &'static [Migration] {
        MIGRATIONS
    }
}

#[async_trait]
impl LeaseStore for SqliteLeaseStore {
    async fn acquire(&self, holder: &str, now_ms: u64, issue_until_ms: u64) -> Result<Grant, LeaseError> {
        let (now, until) = (column(now_ms), column(issue_until_ms));
        let taken = self
            .sql
            .write("lease_acquire", |tx| {
                scoped(async move {
                    let Some((slot, issue_from)) = free_slot(tx, now).await? else {
                        let first = sqlx::query_scalar("SELECT MIN(issue_until_ms) FROM worker_lease");
                        return Ok::<_, SqlError>(Err(first.fetch_one(tx).await?));
                    };
                    let epoch: i64 = sqlx::query_scalar(TAKE)
                        .bind(slot)
                        .bind(holder)
                        .bind(until)
                        .fetch_one(tx)
                        .await?;
                    Ok(Ok((slot, epoch, issue_from)))
                })
            })
            .await?;
        match taken {
            Ok((slot, epoch, issue_from)) => Ok(Grant {
                slot: u16::try_from(slot).expect("slots are counted up to SLOTS"),
                epoch: value(epoch),
                issue_from_ms: value(issue_from),
                issue_until_ms: value(until.max(issue_from)),
            }),
            Err(first_over) => Err(LeaseError::NoFreeSlot {
                wait_ms: value(first_over).saturating_sub(now_ms) + 1,
            }),
        }
    }

    async fn renew(&self, grant: &Grant, issue_until_ms: u64) -> Result<u64, LeaseError> {
        let (slot, epoch, until) = (i64::from(grant.slot), column(grant.epoch), column(issue_until_ms));
        let recorded: Option<i64> = self
            .sql
            .write("lease_renew", |tx| {
                scoped(async move {
                    let renewed = sqlx::query_scalar(RENEW)
                        .bind(slot)
                        .bind(epoch)
                        .bind(until)
                        .fetch_optional(tx)
                        .await?;
                    Ok::<_, SqlError>(renewed)
                })
            })
            .await?;
        recorded.map(value).ok_or(LeaseError::Lost { slot: grant.slot })
    }

    async fn release(&self, grant: &Grant, last_issued_ms: u64) -> Result<(), LeaseError> {
        let (slot, epoch, last_issued) = (i64::from(grant.slot), column(grant.epoch), column(last_issued_ms));
        let changed = self
            .sql
            .write("lease_release", |tx| {
                scoped(async move {
                    let released = sqlx::query(RELEASE)
                        .bind(slot)
                        .bind(epoch)
                        .bind(last_issued)
                        .execute(tx)
                        .await?;
                    Ok::<_, SqlError>(released.rows_affected())
                })
            })
            .await?;
        if changed == 1 {
            Ok(())
        } else {
            Err(LeaseError::Lost { slot: grant.slot })
        }
    }
}

/// The first slot whose time is over, with that time, or the first that was never used.
async fn free_slot(tx: &mut SqliteConnection, now: i64) -> Result<Option<(i64, i64)>, SqlError> {
    let over: Option<(i64, i64)> = sqlx::query_as(
        "SELECT slot, issue_until_ms FROM worker_lease WHERE issue_until_ms < ? ORDER BY slot LIMIT 1",
    )
    .bind(now)
    .fetch_optional(&mut *tx)
    .await?;
    if over.is_some() {
        return Ok(over);
    }
    let used: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM worker_lease")
        .fetch_one(tx)
        .await?;
    Ok((used < i64::from(SLOTS)).then_some((used, 0)))
}

/// SQLite's integers are signed; no time or epoch comes near 2^63.
fn column(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn value(column: i64) -> u64 {
    u64::try_from(column).unwrap_or(0)
}
