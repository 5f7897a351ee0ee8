//! How a transfer of 1 from a payer to account 0 is made durable.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lab::LabError;
use sqlx::{Connection as _, PgConnection};
use tokio::sync::{mpsc, oneshot};

use super::super::scratch::in_the_way;

/// More transfers than that do not go in one transaction.
const GROUP_MAX: usize = 1_000;
/// Tries of one transfer before the arm gives up: 32 payers in each other's way need a few dozen.
const TRIES_MAX: u32 = 10_000;

/// The way with the pattern.
pub(super) const GROUP: Way = Way::GroupCommit;

/// One arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Lock both rows in the order of their ids, change, commit.
    RowLocks,
    /// Read without a lock, change if the version is still the same, else again.
    Optimistic,
    /// The engine finds out by itself, and refuses.
    Serializable,
    /// Whoever comes while a transaction is being committed goes together in the next.
    GroupCommit,
}

/// What was needed for it.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    pub(super) transfers: u64,
    pub(super) transactions: u64,
    pub(super) in_vain: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.transfers += other.transfers;
        self.transactions += other.transactions;
        self.in_vain += other.in_vain;
    }
}

impl Way {
    pub(super) const ALL: [Self; 4] = [
        Self::RowLocks,
        Self::Optimistic,
        Self::Serializable,
        Self::GroupCommit,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::RowLocks => "row locks",
            Self::Optimistic => "optimistic",
            Self::Serializable => "serializable",
            Self::GroupCommit => "group commit",
        }
    }

    /// One transfer, tried until it is done.
    pub(super) async fn transfer(
        self,
        connection: &mut PgConnection,
        payer: u32,
        tally: &mut Tally,
    ) -> Result<(), LabError> {
        let payer = payer.cast_signed();
        for _ in 0..TRIES_MAX {
            let tried = match self {
                Self::RowLocks => locked(connection, payer).await.map(|()| true),
                Self::Optimistic => optimistic(connection, payer).await,
                Self::Serializable => serializable(connection, payer).await.map(|()| true),
                Self::GroupCommit => Ok(true),
            };
            match tried {
                Ok(true) => {
                    tally.transactions += 1;
                    return Ok(());
                }
                Ok(false) => tally.in_vain += 1,
                Err(error) if in_the_way(&error) => tally.in_vain += 1,
                Err(error) => return Err(LabError::while_("transferring")(error)),
            }
        }
        Err(LabError::while_("transferring")(
            "others were in the way ten thousand times",
        ))
    }
}

async fn locked(connection: &mut PgConnection, payer: i32) -> sqlx::Result<()> {
    let mut tx = connection.begin().await?;
    sqlx::query("SELECT 1 FROM account WHERE id IN (0, $1) ORDER BY id FOR UPDATE")
        .bind(payer)
        .execute(&mut *tx)
        .await?;
    change(&mut tx, payer).await?;
    tx.commit().await
}

async fn serializable(connection: &mut PgConnection, payer: i32) -> sqlx::Result<()> {
    let mut tx = connection
        .begin_with("BEGIN ISOLATION LEVEL SERIALIZABLE")
        .await?;
    change(&mut tx, payer).await?;
    tx.commit().await
}

async fn change(tx: &mut PgConnection, payer: i32) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE account SET balance = balance + CASE id WHEN 0 THEN 1 ELSE -1 END WHERE id IN (0, $1)",
    )
    .bind(payer)
    .execute(&mut *tx)
    .await?;
    entry(tx, payer).await
}

async fn entry(tx: &mut PgConnection, payer: i32) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO entry (payer, amount) VALUES ($1, 1)")
        .bind(payer)
        .execute(tx)
        .await
        .map(drop)
}

/// Whether nobody else had changed an account meanwhile.
async fn optimistic(connection: &mut PgConnection, payer: i32) -> sqlx::Result<bool> {
    let seen: Vec<(i32, i64, i64)> =
        sqlx::query_as("SELECT id, balance, version FROM account WHERE id IN (0, $1) ORDER BY id")
            .bind(payer)
            .fetch_all(&mut *connection)
            .await?;
    let mut tx = connection.begin().await?;
    for (id, balance, version) in seen {
        let change = if id == 0 { 1 } else { -1 };
        let changed = sqlx::query(
            "UPDATE account SET balance = $1, version = version + 1 WHERE id = $2 AND version = $3",
        )
        .bind(balance + change)
        .bind(id)
        .bind(version)
        .execute(&mut *tx)
        .await?;
        if changed.rows_affected() == 0 {
            tx.rollback().await?;
            return Ok(false);
        }
    }
    entry(&mut tx, payer).await?;
    tx.commit().await?;
    Ok(true)
}

type Waiting = (i32, oneshot::Sender<Result<(), String>>);

/// Folds transfers that come together into one transaction. One that comes alone waits for nobody.
pub(super) struct Folder {
    queue: mpsc::Sender<Waiting>,
    commits: Arc<AtomicU64>,
}

impl Folder {
    pub(super) fn start(mut connection: PgConnection) -> Self {
        let (queue, mut waiting) = mpsc::channel::<Waiting>(GROUP_MAX);
        let commits = Arc::new(AtomicU64::new(0));
        let counted = commits.clone();
        tokio::spawn(async move {
            let mut group = Vec::with_capacity(GROUP_MAX);
            while waiting.recv_many(&mut group, GROUP_MAX).await > 0 {
                let payers: Vec<i32> = group.iter().map(|(payer, _)| *payer).collect();
                let done = together(&mut connection, &payers).await;
                counted.fetch_add(1, Ordering::Relaxed);
                for (_, tell) in group.drain(..) {
                    // A payer that went away does not want to know.
                    let _ = tell.send(done.as_ref().copied().map_err(ToString::to_string));
                }
            }
        });
        Self { queue, commits }
    }

    pub(super) async fn transfer(&self, payer: u32) -> Result<(), LabError> {
        let failed = |why: String| LabError::while_("transferring in a group")(why);
        let (tell, told) = oneshot::channel();
        let sent = self.queue.send((payer.cast_signed(), tell)).await;
        sent.map_err(|_| failed("the folder is gone".to_owned()))?;
        told.await
            .map_err(|_| failed("the folder is gone".to_owned()))?
            .map_err(failed)
    }

    /// Transactions so far.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

/// All of them by three statements over an array, rows locked in the order of their ids.
async fn together(connection: &mut PgConnection, payers: &[i32]) -> sqlx::Result<()> {
    let mut tx = connection.begin().await?;
    sqlx::query("SELECT 1 FROM account WHERE id = 0 OR id = ANY($1) ORDER BY id FOR UPDATE")
        .bind(payers)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "UPDATE account SET balance = balance + change.amount FROM (
             SELECT payer AS id, -count(*) AS amount FROM unnest($1::int[]) AS payer GROUP BY payer
             UNION ALL SELECT 0, cardinality($1::int[])
         ) AS change WHERE account.id = change.id",
    )
    .bind(payers)
    .execute(&mut *tx)
    .await?;
    sqlx::query("INSERT INTO entry (payer, amount) SELECT payer, 1 FROM unnest($1::int[]) AS payer")
        .bind(payers)
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}
