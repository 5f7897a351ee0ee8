//! What two transactions do to each other at each isolation level: every anomaly is seen at a weak level, and then prevented.

use async_trait::async_trait;
use lab::{Bench, Figure, Lab, LabError, Report, count};
use sqlx::{Connection as _, PgConnection, Postgres, Transaction};

use super::scratch::{Scratch, in_the_way};

pub(super) struct Anomalies;

const TABLES: &str = "
CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL);
INSERT INTO account VALUES (1, 0), (2, 0);
";

/// Whether the first row of a read is locked, and the level of both transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    ReadCommitted,
    RepeatableRead,
    Serializable,
    /// Read committed, and whoever reads in order to write locks what it read.
    RowLocks,
}

impl Level {
    const ALL: [Self; 4] = [
        Self::ReadCommitted,
        Self::RepeatableRead,
        Self::Serializable,
        Self::RowLocks,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::ReadCommitted => "read committed",
            Self::RepeatableRead => "repeatable read",
            Self::Serializable => "serializable",
            Self::RowLocks => "row locks",
        }
    }

    const fn begin(self) -> &'static str {
        match self {
            Self::ReadCommitted | Self::RowLocks => "BEGIN ISOLATION LEVEL READ COMMITTED",
            Self::RepeatableRead => "BEGIN ISOLATION LEVEL REPEATABLE READ",
            Self::Serializable => "BEGIN ISOLATION LEVEL SERIALIZABLE",
        }
    }

    /// Of one account.
    const fn read_one(self) -> &'static str {
        match self {
            Self::RowLocks => "SELECT balance FROM account WHERE id = $1 FOR UPDATE",
            _ => "SELECT balance FROM account WHERE id = $1",
        }
    }

    /// Of both together.
    const fn read_both(self) -> &'static str {
        match self {
            Self::RowLocks => {
                "SELECT sum(balance)::bigint FROM (SELECT balance FROM account ORDER BY id FOR UPDATE) AS locked"
            }
            _ => "SELECT sum(balance)::bigint FROM account",
        }
    }
}

/// How a pair of transactions ended.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    anomalies: u64,
    /// Transactions that the engine refused, and that would be run again.
    refused: u64,
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.anomalies += other.anomalies;
        self.refused += other.refused;
    }
}

#[async_trait]
impl Lab for Anomalies {
    fn name(&self) -> &'static str {
        "anomalies"
    }

    fn about(&self) -> &'static str {
        "lost update, write skew and read skew: each seen at a weak isolation level, then prevented"
    }

    fn pattern(&self) -> &'static str {
        "isolation levels, and row locks in the order of ids"
    }

    async fn run(&self, bench: &Bench) -> Result<Report, LabError> {
        let pairs = bench.either(50, 5);
        let columns = [
            ("lost updates", ""),
            ("write skews", ""),
            ("read skews", ""),
            ("refused by the engine", ""),
        ];
        let mut report = Report::new(self, bench, &columns);
        report.setting.push(format!(
            "{pairs} pairs of transactions for each anomaly, their statements interleaved in the order that does the harm; PostgreSQL"
        ));
        let mut bars = Vec::new();
        for level in Level::ALL {
            let scratch = Scratch::begin(bench, TABLES).await?;
            let seen = run_arm(&scratch, level, pairs)
                .await
                .map_err(LabError::while_("interleaving"))?;
            scratch.end().await?;
            let refused = seen.iter().map(|seen| seen.refused).sum();
            let [lost, write_skews, read_skews] = seen.map(|seen| count(seen.anomalies));
            report.arm(level.name(), vec![lost, write_skews, read_skews, count(refused)]);
            bars.push((level.name().to_owned(), vec![lost, write_skews, read_skews]));
        }
        let labels = ["lost updates", "write skews", "read skews"];
        report.figure = Figure::bars("What two transactions did to each other", "pairs", &labels, bars);
        report.sentence = sentence(&report);
        Ok(report)
    }
}

async fn run_arm(scratch: &Scratch, level: Level, pairs: u32) -> sqlx::Result<[Seen; 3]> {
    let connect = || async {
        scratch
            .connect()
            .await
            .map_err(|error| sqlx::Error::Protocol(error.to_string()))
    };
    let (mut one, mut two) = (connect().await?, connect().await?);
    let mut seen = [Seen::default(); 3];
    for _ in 0..pairs {
        seen[0].add(lost_update(&mut one, &mut two, level).await?);
        seen[1].add(write_skew(&mut one, &mut two, level).await?);
        seen[2].add(read_skew(&mut one, &mut two, level).await?);
    }
    Ok(seen)
}

async fn set(connection: &mut PgConnection, balances: [i64; 2]) -> sqlx::Result<()> {
    for (id, balance) in (1..).zip(balances) {
        sqlx::query("UPDATE account SET balance = $1 WHERE id = $2")
            .bind(balance)
            .bind(id)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn total(connection: &mut PgConnection) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT sum(balance)::bigint FROM account")
        .fetch_one(connection)
        .await
}

async fn read(tx: &mut Transaction<'_, Postgres>, level: Level, id: i32) -> sqlx::Result<i64> {
    sqlx::query_scalar(level.read_one())
        .bind(id)
        .fetch_one(&mut **tx)
        .await
}

async fn write(tx: &mut Transaction<'_, Postgres>, id: i32, balance: i64) -> sqlx::Result<()> {
    sqlx::query("UPDATE account SET balance = $1 WHERE id = $2")
        .bind(balance)
        .bind(id)
        .execute(&mut **tx)
        .await
        .map(drop)
}

/// A transaction that was begun, and what it read first.
type Begun<'c> = (Transaction<'c, Postgres>, i64);

/// Begins and reads account 1, or both together.
async fn begin(connection: &mut PgConnection, level: Level, both: bool) -> sqlx::Result<Begun<'_>> {
    let mut tx = connection.begin_with(level.begin()).await?;
    let seen = if both {
        sqlx::query_scalar(level.read_both()).fetch_one(&mut *tx).await?
    } else {
        read(&mut tx, level, 1).await?
    };
    Ok((tx, seen))
}

/// The second begins while the first is open. Without locks it also reads before the first writes, which is where the harm comes
/// from; with them its read waits for the first's end.
async fn meet<'c>(
    level: Level,
    first: impl Future<Output = sqlx::Result<()>>,
    second: impl Future<Output = sqlx::Result<Begun<'c>>>,
) -> sqlx::Result<(Result<(), sqlx::Error>, Begun<'c>)> {
    if level == Level::RowLocks {
        let (first, second) = tokio::join!(first, second);
        return Ok((first, second?));
    }
    let second = second.await?;
    Ok((first.await, second))
}

/// 1 when the engine refused it as a matter of isolation.
fn refusal(outcome: sqlx::Result<()>) -> sqlx::Result<u64> {
    match outcome {
        Ok(()) => Ok(0),
        Err(error) if in_the_way(&error) => Ok(1),
        Err(error) => Err(error),
    }
}

async fn write_and_commit(mut tx: Transaction<'_, Postgres>, id: i32, balance: i64) -> sqlx::Result<()> {
    write(&mut tx, id, balance).await?;
    tx.commit().await
}

/// Both add 10 to what they read: one of the two gets lost.
async fn lost_update(one: &mut PgConnection, two: &mut PgConnection, level: Level) -> sqlx::Result<Seen> {
    set(one, [100, 0]).await?;
    let (first, at_first) = begin(&mut *one, level, false).await?;
    let writes = write_and_commit(first, 1, at_first + 10);
    let (first, (second, at_second)) = meet(level, writes, begin(two, level, false)).await?;
    let refused = refusal(first)? + refusal(write_and_commit(second, 1, at_second + 10).await)?;
    let now = total(one).await?;
    Ok(Seen {
        anomalies: u64::from(refused == 0 && now == 110),
        refused,
    })
}

/// Together the accounts may not go below zero. Each takes 80 of 100 from an account of its own, having seen that the sum allows it.
async fn write_skew(one: &mut PgConnection, two: &mut PgConnection, level: Level) -> sqlx::Result<Seen> {
    set(one, [50, 50]).await?;
    let (first, at_first) = begin(&mut *one, level, true).await?;
    let writes = async {
        if at_first >= 80 {
            return write_and_commit(first, 1, 50 - 80).await;
        }
        first.rollback().await
    };
    let (first, (second, at_second)) = meet(level, writes, begin(two, level, true)).await?;
    let done = if at_second >= 80 {
        write_and_commit(second, 2, 50 - 80).await
    } else {
        second.rollback().await
    };
    let refused = refusal(first)? + refusal(done)?;
    Ok(Seen {
        anomalies: u64::from(total(one).await? < 0),
        refused,
    })
}

/// One reads both accounts, one after the other, while 50 goes from one to the other: it sees 150 of 100.
#[expect(clippy::similar_names, reason = "the words of the domain are alike")]
async fn read_skew(one: &mut PgConnection, two: &mut PgConnection, level: Level) -> sqlx::Result<Seen> {
    set(one, [100, 0]).await?;
    let (mut reader, at_first) = begin(one, level, false).await?;
    let moves = async {
        let mut tx = two.begin_with(level.begin()).await?;
        write(&mut tx, 1, 50).await?;
        write(&mut tx, 2, 50).await?;
        tx.commit().await
    };
    let rest = async |reader: &mut Transaction<'_, Postgres>| read(reader, level, 2).await;
    let (moved, at_second) = if level == Level::RowLocks {
        // The lock on the first account keeps the move waiting until the reader is done.
        let reads = async {
            let at_second = rest(&mut reader).await?;
            reader.commit().await?;
            Ok::<_, sqlx::Error>(at_second)
        };
        let (at_second, moved) = tokio::join!(reads, moves);
        (moved, at_second?)
    } else {
        let moved = moves.await;
        let at_second = rest(&mut reader).await?;
        reader.commit().await?;
        (moved, at_second)
    };
    Ok(Seen {
        anomalies: u64::from(at_first + at_second != 100),
        refused: refusal(moved)?,
    })
}

fn sentence(report: &Report) -> String {
    let of = |level: Level, column| report.value(level.name(), column).unwrap_or_default();
    let weak = Level::ReadCommitted;
    let all = |level| {
        ["lost updates", "write skews", "read skews"]
            .map(|column| of(level, column))
            .iter()
            .sum::<f64>()
    };
    format!(
        "Read committed showed {:.0} lost updates, {:.0} write skews and {:.0} read skews; repeatable read kept only the {:.0} write skews; serializable \
         showed {:.0}, and refused {:.0} transactions for it; row locks showed {:.0} and refused {:.0}.",
        of(weak, "lost updates"),
        of(weak, "write skews"),
        of(weak, "read skews"),
        of(Level::RepeatableRead, "write skews"),
        all(Level::Serializable),
        of(Level::Serializable, "refused by the engine"),
        all(Level::RowLocks),
        of(Level::RowLocks, "refused by the engine"),
    )
}
