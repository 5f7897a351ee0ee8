//! What [`processor::store::Store`] promises, written once; a line an engine at the end.

use std::sync::Arc;

use clock::{ManualClock, SharedClock};
use processor::charge::{Change, Charge, MovementKind, Refusal, Status};
use processor::store::{Ages, Answer, Attempt, Performed, PostgresStore, SqliteStore, Store, Tell};
use testkit::engines::{self, Kind};

use crate::service::{NOW_MS, telemetry};

/// A database of one case's own.
enum Engine {
    Sqlite(tempfile::TempDir),
    Postgres { base: String, schema: String },
}

impl Engine {
    fn postgres(case: &str) -> Option<Self> {
        Some(Self::Postgres {
            base: engines::url(Kind::Postgres, case)?,
            schema: engines::fresh_name("processor"),
        })
    }

    /// A handle as another process would have it: the first makes the schema.
    async fn open(&self) -> Arc<dyn Store> {
        let clock = ManualClock::at(NOW_MS);
        let (telemetry, shared): (_, SharedClock) = (telemetry(&clock), clock);
        match self {
            Self::Sqlite(folder) => {
                let file = folder.path().join("processor.db");
                let sql = sql::Sqlite::open(file, sql::SqliteSettings::default(), telemetry, shared);
                Arc::new(SqliteStore::new(sql.await.unwrap()).await.unwrap())
            }
            Self::Postgres { base, schema } => {
                let url = format!("{base}?schema={schema}");
                let sql = sql::Postgres::connect(&url, sql::PostgresSettings::default(), telemetry, shared);
                Arc::new(PostgresStore::new(sql.await.unwrap()).await.unwrap())
            }
        }
    }

    async fn remove(&self) {
        use sqlx::Connection as _;
        if let Self::Postgres { base, schema } = self {
            let mut connection = sqlx::PgConnection::connect(base).await.unwrap();
            let drop = format!("DROP SCHEMA IF EXISTS {schema} CASCADE");
            sqlx::raw_sql(sqlx::AssertSqlSafe(drop))
                .execute(&mut connection)
                .await
                .unwrap();
        }
    }
}

fn attempt(key: u8, change: Change) -> Attempt {
    Attempt {
        key: [key; 32],
        fingerprint: [1; 32],
        expires_at_ms: NOW_MS + 1_000,
        change,
        movement_id: format!("mv_{key}"),
        at_ms: NOW_MS,
        tell: Some(Tell {
            id: format!("evt_{key}"),
            copies: 1,
            due_at_ms: NOW_MS,
        }),
    }
}

fn open(id: &str) -> Change {
    let charge = Charge {
        id: id.to_owned(),
        reference: "ref".to_owned(),
        amount: u64::MAX / 2,
        currency: "EUR".to_owned(),
        method: "tok_visa".to_owned(),
        status: Status::Authorized,
        captured: 0,
        refunded: 0,
        decline_code: None,
        created_at_ms: NOW_MS,
        updated_at_ms: NOW_MS,
    };
    Change::Open {
        charge,
        capture: true,
    }
}

fn refund(id: &str, amount: u64) -> Change {
    Change::Refund {
        charge_id: id.to_owned(),
        amount: Some(amount),
        reference: None,
    }
}

/// A key has one effect and one answer, refusals too; it is free again when it has expired.
async fn a_key_has_one_answer(engine: &Engine) {
    let (one, two) = (engine.open().await, engine.open().await);
    let racing: Vec<_> = (0..8)
        .map(|racer| {
            let store = if racer % 2 == 0 { one.clone() } else { two.clone() };
            tokio::spawn(async move {
                store
                    .perform(&attempt(1, open(&format!("ch_{racer}"))))
                    .await
                    .unwrap()
            })
        })
        .collect();
    let (mut fresh, mut answers) = (0, Vec::new());
    for racer in racing {
        match racer.await.unwrap() {
            Performed::Fresh(answer) => {
                fresh += 1;
                answers.push(answer);
            }
            Performed::Replayed(answer) => answers.push(answer),
            Performed::Mismatch => panic!("the same was asked for"),
        }
    }
    assert_eq!(fresh, 1);
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(one.by_reference("ref", 10).await.unwrap().len(), 1);
    let mut other = attempt(1, open("ch_x"));
    other.fingerprint = [2; 32];
    assert_eq!(one.perform(&other).await.unwrap(), Performed::Mismatch);
    let refused = Answer::Refused(Refusal::NotFound);
    let missing = attempt(2, refund("ch_none", 1));
    assert_eq!(
        one.perform(&missing).await.unwrap(),
        Performed::Fresh(refused.clone())
    );
    assert_eq!(
        two.perform(&missing).await.unwrap(),
        Performed::Replayed(refused.clone())
    );
    assert_eq!(two.recall(&[2; 32], NOW_MS).await.unwrap(), Some(refused));
    assert_eq!(two.recall(&[2; 32], NOW_MS + 1_000).await.unwrap(), None);
    let later = Attempt {
        at_ms: NOW_MS + 1_000,
        ..missing
    };
    assert!(matches!(one.perform(&later).await.unwrap(), Performed::Fresh(_)));
}

/// Of refunds that race for the rest, no more than what was captured is sent back.
async fn racing_refunds_never_send_back_more_than_was_taken(engine: &Engine) {
    let (one, two) = (engine.open().await, engine.open().await);
    one.perform(&attempt(1, open("ch_1"))).await.unwrap();
    let third = u64::MAX / 2 / 3;
    let racing: Vec<_> = (2..10_u8)
        .map(|key| {
            let store = if key % 2 == 0 { one.clone() } else { two.clone() };
            tokio::spawn(async move { store.perform(&attempt(key, refund("ch_1", third))).await.unwrap() })
        })
        .collect();
    let mut done = 0;
    for racer in racing {
        if let Performed::Fresh(Answer::Done(_)) = racer.await.unwrap() {
            done += 1;
        }
    }
    assert_eq!(done, 3);
    let charge = one.charge("ch_1").await.unwrap().unwrap();
    assert_eq!(charge.refunded, third * 3);
    let settled = one.settled(NOW_MS, NOW_MS + 1, None, 10).await.unwrap();
    let of = |kind| {
        settled
            .iter()
            .filter(move |line| line.kind == kind)
            .map(|line| line.amount)
            .sum::<u64>()
    };
    assert_eq!(
        (of(MovementKind::Capture), of(MovementKind::Refund)),
        (charge.captured, charge.refunded)
    );
    let first = one.settled(NOW_MS, NOW_MS + 1, None, 1).await.unwrap();
    let after = (first[0].at_ms, first[0].id.clone());
    let rest = one.settled(NOW_MS, NOW_MS + 1, Some(&after), 10).await.unwrap();
    assert_eq!([first, rest].concat(), settled);
    assert_eq!(one.refunds("ch_1", 10).await.unwrap().len(), 3);
    assert_eq!(one.days(NOW_MS + 1, 10).await.unwrap()[0].movements, 4);
}

/// A webhook is taken by one, is due again, and is forgotten when it was answered; what is old goes.
async fn a_webhook_is_taken_by_one_until_it_is_answered(engine: &Engine) {
    let (one, two) = (engine.open().await, engine.open().await);
    one.perform(&attempt(1, open("ch_1"))).await.unwrap();
    let due = one.due_webhooks(NOW_MS, 10).await.unwrap();
    assert_eq!((due.len(), due[0].attempts), (1, 0));
    let takes = [
        one.take_webhook("evt_1", 0, NOW_MS + 10).await.unwrap(),
        two.take_webhook("evt_1", 0, NOW_MS + 10).await.unwrap(),
    ];
    assert_eq!(takes, [true, false]);
    assert!(two.due_webhooks(NOW_MS + 9, 10).await.unwrap().is_empty());
    assert_eq!(two.due_webhooks(NOW_MS + 10, 10).await.unwrap()[0].attempts, 1);
    assert_eq!(one.pending_webhooks().await.unwrap(), 1);
    one.delivered("evt_1").await.unwrap();
    assert_eq!(one.pending_webhooks().await.unwrap(), 0);
    one.perform(&attempt(2, open("ch_2"))).await.unwrap();
    let ages = |at_ms| Ages {
        keys_ms: at_ms,
        charges_ms: at_ms,
        webhooks_ms: at_ms,
    };
    assert_eq!(one.forget(&ages(NOW_MS - 1)).await.unwrap(), 0);
    assert!(one.charge("ch_2").await.unwrap().is_some());
    assert_eq!(one.forget(&ages(NOW_MS)).await.unwrap(), 1);
    assert!(one.charge("ch_2").await.unwrap().is_none());
}

macro_rules! contract_suite {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $case() {
                let engine = super::Engine::Sqlite(tempfile::tempdir().unwrap());
                super::$case(&engine).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $case() {
                let Some(engine) = super::Engine::postgres(stringify!($case)) else { return };
                super::$case(&engine).await;
                engine.remove().await;
            })*
        }
    };
}

contract_suite!(
    a_key_has_one_answer,
    racing_refunds_never_send_back_more_than_was_taken,
    a_webhook_is_taken_by_one_until_it_is_answered,
);
