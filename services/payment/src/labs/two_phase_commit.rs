//! A payment over two databases, and a coordinator that dies in the middle of it: two-phase commit beside a saga.

use std::time::Duration;

use async_trait::async_trait;
use lab::{Bench, Figure, Lab, LabError, Report, count};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::scratch::Scratch;

const TWO_PHASE: &str = "two-phase commit";
const SAGA: &str = "saga";
/// How long somebody else waits for an account before giving up.
const PATIENCE: Duration = Duration::from_millis(100);

/// Two databases in one server: no transaction of this lab touches both tables but as one of the arms says.
const TABLES: &str = "
CREATE TABLE payer (id int PRIMARY KEY, balance bigint NOT NULL, held bigint NOT NULL DEFAULT 0);
CREATE TABLE merchant (id int PRIMARY KEY, balance bigint NOT NULL);
CREATE TABLE saga (id int PRIMARY KEY, state text NOT NULL);
INSERT INTO payer SELECT id, 100 FROM generate_series(1, 50) AS id;
INSERT INTO merchant VALUES (1, 0);
";

pub(super) struct TwoPhaseCommit;

/// What came of an arm.
#[derive(Debug, Default)]
struct Seen {
    /// Other people's deposits to the payers' accounts while the coordinator was dead.
    served: u64,
    blocked: u64,
    /// Payments that a coordinator come back brought to their end.
    settled: u64,
    /// What is missing or too much at the end.
    wrong: i64,
}

#[async_trait]
impl Lab for TwoPhaseCommit {
    fn name(&self) -> &'static str {
        "two-phase-commit"
    }

    fn about(&self) -> &'static str {
        "the coordinator of a payment dies after prepare: who waits for it, beside a saga that dies at the same point"
    }

    fn pattern(&self) -> &'static str {
        "a saga instead of two-phase commit"
    }

    async fn run(&self, bench: &Bench) -> Result<Report, LabError> {
        let payments = bench.either(30, 5);
        let columns = [
            ("payments begun", ""),
            ("others served meanwhile", ""),
            ("others that waited in vain", ""),
            ("settled afterwards", ""),
            ("money missing", ""),
        ];
        let mut report = Report::new(self, bench, &columns);
        report.setting.push(format!(
            "{payments} payments of 10 from as many payers; the coordinator dies after the first phase of each; then somebody else deposits 1 with each \
             payer and waits at most {} ms; then a coordinator comes back",
            PATIENCE.as_millis()
        ));
        let mut bars = Vec::new();
        for arm in [TWO_PHASE, SAGA] {
            let scratch = Scratch::begin(bench, TABLES).await?;
            let seen = match arm {
                TWO_PHASE => two_phase(&scratch, payments).await?,
                _ => saga(&scratch, payments).await?,
            };
            scratch.end().await?;
            let values = [count(seen.served), count(seen.blocked), count(seen.settled)];
            #[expect(clippy::cast_precision_loss, reason = "a few hundred at most")]
            let wrong = seen.wrong as f64;
            report.arm(
                arm,
                vec![f64::from(payments), values[0], values[1], values[2], wrong],
            );
            bars.push((arm.to_owned(), values.to_vec()));
        }
        let labels = ["served meanwhile", "waited in vain", "settled afterwards"];
        report.figure = Figure::bars("While the coordinator was dead", "how many", &labels, bars);
        report.sentence = sentence(&report);
        Ok(report)
    }
}

fn failed(what: &'static str) -> impl FnOnce(sqlx::Error) -> LabError {
    move |error| {
        let text = error.to_string();
        if text.contains("max_prepared_transactions") || text.contains("prepared transactions are disabled") {
            return LabError::while_(what)(
                "this PostgreSQL allows no prepared transactions: set `max_prepared_transactions` (`cargo xtask engines up` does)",
            );
        }
        LabError::while_(what)(text)
    }
}

async fn two_phase(scratch: &Scratch, payments: u32) -> Result<Seen, LabError> {
    let tag = rand::random::<u64>();
    let names = |payer: u32| {
        [
            format!("lab-{tag:x}-{payer}-debit"),
            format!("lab-{tag:x}-{payer}-credit"),
        ]
    };
    let prepared = prepare_all(scratch, payments, names).await;
    let mut seen = Seen::default();
    if prepared.is_ok() {
        meanwhile(scratch, payments, &mut seen).await?;
    }
    // A coordinator comes back, reads its log, and finishes; also what a failed arm has prepared, for it would hold its locks for ever.
    let mut connection = scratch.connect().await?;
    for payer in 1..=payments {
        for name in names(payer) {
            let finish = format!("COMMIT PREPARED '{name}'");
            let done = sqlx::raw_sql(AssertSqlSafe(finish))
                .execute(&mut connection)
                .await;
            if prepared.is_ok() {
                done.map_err(failed("committing what was prepared"))?;
            }
        }
        seen.settled += 1;
    }
    prepared?;
    seen.wrong = missing(&mut connection, payments, seen.served).await?;
    Ok(seen)
}

/// Phase one of every payment; then the coordinator is gone.
async fn prepare_all(
    scratch: &Scratch,
    payments: u32,
    names: impl Fn(u32) -> [String; 2],
) -> Result<(), LabError> {
    let mut coordinator = scratch.connect().await?;
    for payer in 1..=payments {
        let [debit, credit] = names(payer);
        let steps = [
            format!(
                "BEGIN; UPDATE payer SET balance = balance - 10 WHERE id = {payer}; PREPARE TRANSACTION '{debit}'"
            ),
            format!("BEGIN; INSERT INTO merchant VALUES ({payer} + 1, 10); PREPARE TRANSACTION '{credit}'"),
        ];
        for step in steps {
            let run = sqlx::raw_sql(AssertSqlSafe(step)).execute(&mut coordinator).await;
            run.map(drop).map_err(failed("preparing"))?;
        }
    }
    // As a crash would: the connection ends, and what was prepared stays.
    drop(coordinator);
    Ok(())
}

async fn saga(scratch: &Scratch, payments: u32) -> Result<Seen, LabError> {
    let mut coordinator = scratch.connect().await?;
    for payer in 1..=payments {
        let mut tx = coordinator.begin().await.map_err(failed("reserving"))?;
        for step in [
            "UPDATE payer SET held = held + 10 WHERE id = $1 AND balance - held >= 10",
            "INSERT INTO saga VALUES ($1, 'reserved')",
        ] {
            let run = sqlx::query(step)
                .bind(payer.cast_signed())
                .execute(&mut *tx)
                .await;
            run.map(drop).map_err(failed("reserving"))?;
        }
        tx.commit().await.map_err(failed("reserving"))?;
    }
    drop(coordinator);
    let mut seen = Seen::default();
    meanwhile(scratch, payments, &mut seen).await?;
    let mut connection = scratch.connect().await?;
    let open: Vec<i32> = sqlx::query_scalar("SELECT id FROM saga WHERE state = 'reserved' ORDER BY id")
        .fetch_all(&mut connection)
        .await
        .map_err(failed("reading the sagas"))?;
    for payer in open {
        // Each step can be repeated: a credit has the payment's id as its own.
        for step in [
            "INSERT INTO merchant VALUES ($1 + 1, 10) ON CONFLICT DO NOTHING",
            "WITH done AS (UPDATE saga SET state = 'done' WHERE id = $1 AND state = 'reserved' RETURNING id)
             UPDATE payer SET balance = balance - 10, held = held - 10 FROM done WHERE payer.id = done.id",
        ] {
            let run = sqlx::query(step).bind(payer).execute(&mut connection).await;
            run.map(drop).map_err(failed("resuming"))?;
        }
        seen.settled += 1;
    }
    seen.wrong = missing(&mut connection, payments, seen.served).await?;
    Ok(seen)
}

/// Somebody else deposits with every payer, and does not wait for ever.
async fn meanwhile(scratch: &Scratch, payments: u32, seen: &mut Seen) -> Result<(), LabError> {
    let mut other = scratch.connect().await?;
    let patience = format!("SET lock_timeout = '{}ms'", PATIENCE.as_millis());
    let set = sqlx::raw_sql(AssertSqlSafe(patience)).execute(&mut other).await;
    set.map_err(failed("depositing"))?;
    for payer in 1..=payments {
        let deposited = sqlx::query("UPDATE payer SET balance = balance + 1 WHERE id = $1")
            .bind(payer.cast_signed())
            .execute(&mut other)
            .await;
        match deposited {
            Ok(_) => seen.served += 1,
            // lock_not_available
            Err(error)
                if error
                    .as_database_error()
                    .and_then(sqlx::error::DatabaseError::code)
                    .as_deref()
                    == Some("55P03") =>
            {
                seen.blocked += 1;
            }
            Err(error) => return Err(failed("depositing")(error)),
        }
    }
    Ok(())
}

/// What the accounts have less than they should: every payment whole, every deposit that was served.
async fn missing(connection: &mut PgConnection, payments: u32, served: u64) -> Result<i64, LabError> {
    let (payers, merchants): (i64, i64) = sqlx::query_as(
        "SELECT (SELECT sum(balance) FROM payer)::bigint, (SELECT sum(balance) FROM merchant)::bigint",
    )
    .fetch_one(connection)
    .await
    .map_err(failed("counting the money"))?;
    let moved = i64::from(payments) * 10;
    let deposits = i64::try_from(served).unwrap_or_default();
    let paid = 50 * 100 + deposits - moved - payers;
    Ok(paid.abs() + (moved - merchants).abs())
}

fn sentence(report: &Report) -> String {
    let of = |arm, column| report.value(arm, column).unwrap_or_default();
    format!(
        "While the coordinator was dead, {:.0} of {:.0} other people waited in vain for an account that two-phase commit had locked, and {:.0} for one that \
         a saga had reserved from; both settled all payments afterwards, and {:.0} was missing.",
        of(TWO_PHASE, "others that waited in vain"),
        of(TWO_PHASE, "payments begun"),
        of(SAGA, "others that waited in vain"),
        of(TWO_PHASE, "money missing") + of(SAGA, "money missing"),
    )
}
