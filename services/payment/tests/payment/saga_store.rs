//! Who has lost a payment, or the duty to reconcile, writes nothing any more: on both engines.

use std::collections::BTreeSet;

use idempotency::Fingerprint;
use leases::Leadership;
use payment::ledger::Claim;
use payment::payment::{JournalRows, Method, Payment};
use payment::processor::{SettlementKind, SettlementRow};
use payment::protocol::saga::{Input, Output, Policy, Saga, State};
use payment::reconciliation::{BreakKind, Movement};
use payment::store::payments::{
    LeaseChange, Leased, NewPayment, SaveSaga, SharedPayments, StepBegan, Velocity, payments,
};
use payment::store::reconciliation::{
    Break, BreakState, NewReconciliation, Reconciliation, SharedReconciliations, open,
};
use payment::store::{Database, StoreError};
use streams::Event;

use crate::books::{NOW_MS, amount, id, tenant};
use crate::contract::{Engine, OnPostgres, OnSqlite, database};

fn new_payment() -> NewPayment {
    let payment = Payment {
        tenant: tenant(),
        id: id(77),
        payer_account_id: id(1001),
        merchant_account_id: id(1002),
        amount: amount(700),
        currency: "EUR".parse().unwrap(),
        method: Method::parse("tok_visa").unwrap(),
        description: None,
        payer: None,
        rows: JournalRows {
            hold: id(78),
            capture: id(79),
            release: id(80),
        },
        saga: Saga::new(amount(700), NOW_MS + 60_000),
        created_at_ms: NOW_MS,
        updated_at_ms: NOW_MS,
        traceparent: None,
    };
    NewPayment {
        event: Event::new(
            "payment.created/77",
            "/payment",
            "payment.created",
            "payment/77",
            NOW_MS,
            &1,
        )
        .unwrap(),
        payment,
        velocity: Velocity {
            window_ms: 0,
            payments_max: 10,
            minor_max: 10_000,
        },
        claim: Claim {
            key: [7; 32],
            fingerprint: Fingerprint::of("POST", "/v1/payments", b"{}"),
            expires_at_ms: NOW_MS + 1_000_000,
        },
    }
}

async fn take(payments: &SharedPayments, owner: &str, now_ms: u64) -> Option<Leased> {
    let mut taken = payments
        .take_due(owner, now_ms, now_ms + 1_000, 10)
        .await
        .unwrap();
    taken.pop()
}

/// The first step of the saga, as `owner` writes it.
fn first_step(leased: &Leased, owner: &str, now_ms: u64) -> SaveSaga {
    let input = Input::Resume { now_ms, refund: None };
    let (saga, outputs) = Policy::default().step(&leased.payment.saga, &input);
    let [Output::Make { ticket, step, call }] = outputs.as_slice() else {
        panic!("{outputs:?}");
    };
    SaveSaga {
        tenant: tenant(),
        id: leased.payment.id,
        owner: owner.to_owned(),
        fence: leased.fence,
        wakes: leased.wakes,
        saga,
        now_ms,
        lease: LeaseChange::KeepUntil(now_ms + 1_000),
        ended: None,
        began: Some(StepBegan {
            ticket: *ticket,
            step: *step,
            call: *call,
        }),
        refund: None,
        movement: None,
        uncounted: None,
        events: Vec::new(),
    }
}

async fn a_process_that_lost_its_payment_writes_zero_rows(database: &Database) {
    let payments = payments(database);
    let new = new_payment();
    payments.create(&new, NOW_MS).await.unwrap().unwrap();
    let frozen = take(&payments, "a", NOW_MS).await.expect("it is due");
    assert_eq!(take(&payments, "b", NOW_MS + 999).await, None, "it is another's");
    let taken = take(&payments, "b", NOW_MS + 1_000)
        .await
        .expect("the lease is over");
    assert!(taken.fence > frozen.fence);
    let late = payments.save(&first_step(&frozen, "a", NOW_MS + 1_001)).await;
    assert!(matches!(late, Err(StoreError::Fenced)), "{late:?}");
    let untouched = payments.load(&tenant(), id(77)).await.unwrap().unwrap();
    assert_eq!(
        (untouched.payment.saga, untouched.steps.len()),
        (new.payment.saga.clone(), 0)
    );
    payments
        .save(&first_step(&taken, "b", NOW_MS + 1_002))
        .await
        .unwrap();
    let written = payments.load(&tenant(), id(77)).await.unwrap().unwrap();
    assert_eq!(
        (written.payment.saga.state, written.steps.len()),
        (State::Created, 1)
    );
}

async fn a_wake_is_not_lost_to_the_save_that_lets_go(database: &Database) {
    let payments = payments(database);
    payments.create(&new_payment(), NOW_MS).await.unwrap().unwrap();
    let taken = take(&payments, "a", NOW_MS).await.unwrap();
    assert!(payments.wake(id(77), NOW_MS + 1).await.unwrap());
    let rests = SaveSaga {
        lease: LeaseChange::LetGo { due_ms: None },
        ..first_step(&taken, "a", NOW_MS + 2)
    };
    payments.save(&rests).await.unwrap();
    assert!(
        take(&payments, "b", NOW_MS + 2).await.is_some(),
        "it is due because it was woken"
    );
    assert!(
        !payments.wake(id(1), NOW_MS).await.unwrap(),
        "there is no such payment"
    );
}

async fn a_leader_that_was_stopped_past_its_time_records_no_day(database: &Database) {
    let reconciliations = open(database);
    let leaderships = reconciliations.leaderships();
    let stopped = leaderships
        .try_take("reconcile", "a", NOW_MS, 1_000)
        .await
        .unwrap()
        .unwrap();
    let day = NewReconciliation {
        of: Reconciliation {
            day: "2026-11-21".to_owned(),
            lines: 0,
            fits: 0,
            at_ms: NOW_MS,
        },
        lines: Vec::new(),
        breaks: Vec::new(),
    };
    let late = reconciliations.record(&stopped, NOW_MS + 1_000, &day).await;
    assert!(matches!(late, Err(StoreError::Fenced)), "past its time: {late:?}");
    let leads = leaderships
        .try_take("reconcile", "b", NOW_MS + 1_000, 1_000)
        .await
        .unwrap()
        .unwrap();
    let late = reconciliations.looked(&stopped, NOW_MS).await;
    assert!(matches!(late, Err(StoreError::Fenced)), "nor a look: {late:?}");
    reconciliations.looked(&leads, NOW_MS + 1_000).await.unwrap();
    let late = reconciliations.record(&stopped, NOW_MS, &day).await;
    assert!(
        matches!(late, Err(StoreError::Fenced)),
        "its clock stands still: {late:?}"
    );
    nor_does_it_list_a_break(&reconciliations, &stopped, &leads).await;
    assert_eq!(reconciliations.list(None, 10).await.unwrap(), []);
    reconciliations
        .record(&leads, NOW_MS + 1_001, &day)
        .await
        .unwrap();
    assert_eq!(reconciliations.list(None, 10).await.unwrap(), [day.of]);
    assert!(leads.fence > stopped.fence);
    let written = fences(database).await;
    let fence = i64::try_from(leads.fence).unwrap();
    assert_eq!(
        written,
        [fence, fence],
        "the day and the look say under which fence they were written"
    );
}

fn movement(number: u64, at_ms: u64) -> Movement {
    Movement {
        tenant: tenant(),
        reference: format!("payment/{number}"),
        kind: SettlementKind::Capture,
        payment_id: id(number),
        amount: 700,
        currency: "EUR".parse().unwrap(),
        at_ms,
    }
}

fn found_break(number: u64) -> Break {
    Break {
        tenant: tenant(),
        id: id(number),
        day: "2026-11-21".to_owned(),
        kind: BreakKind::MissingInLedger,
        movement: SettlementKind::Capture,
        reference: format!("payment/{number}"),
        charge_id: number.is_multiple_of(2).then(|| "ch_1".to_owned()),
        payment_id: None,
        expected: None,
        found: Some((5, "EUR".parse().unwrap())),
        state: BreakState::Open,
        note: None,
        adjustment_id: None,
        resolved_at_ms: None,
    }
}

async fn nor_does_it_list_a_break(
    reconciliations: &SharedReconciliations,
    stopped: &Leadership,
    leads: &Leadership,
) {
    let early = [differing()];
    let late = reconciliations.record_early(stopped, NOW_MS, &early).await;
    assert!(matches!(late, Err(StoreError::Fenced)), "{late:?}");
    assert!(reconciliations.listed("2026-11-21").await.unwrap().is_empty());
    reconciliations
        .record_early(leads, NOW_MS + 1_000, &early)
        .await
        .unwrap();
    let listed = reconciliations.listed("2026-11-21").await.unwrap();
    let expected = (BreakKind::AmountDiffers, "payment/9".to_owned());
    assert_eq!(Vec::from_iter(listed), [expected]);
    assert!(reconciliations.listed("2026-11-20").await.unwrap().is_empty());
}

/// A break of the day that is judged here.
fn differing() -> Break {
    let eur = "EUR".parse().unwrap();
    Break {
        tenant: tenant(),
        id: id(99),
        day: "2026-11-21".to_owned(),
        kind: BreakKind::AmountDiffers,
        movement: SettlementKind::Capture,
        reference: "payment/9".to_owned(),
        charge_id: Some("ch_9".to_owned()),
        payment_id: Some(id(9)),
        expected: Some((700, eur)),
        found: Some((701, eur)),
        state: BreakState::Open,
        note: None,
        adjustment_id: None,
        resolved_at_ms: None,
    }
}

/// More than one statement writes.
const MANY: u64 = 1_003;

async fn what_a_day_is_judged_by_is_read_page_by_page_and_set_by_set(database: &Database) {
    let (payments, reconciliations) = (payments(database), open(database));
    payments.create(&new_payment(), NOW_MS).await.unwrap().unwrap();
    let taken = take(&payments, "a", NOW_MS).await.unwrap();
    // Ties, which a page may end in.
    let moved: Vec<Movement> = (1..=9)
        .map(|number| movement(number, NOW_MS + number / 4))
        .collect();
    for movement in &moved {
        let mut save = first_step(&taken, "a", NOW_MS + 1);
        save.movement = Some(movement.clone());
        payments.save(&save).await.unwrap();
    }
    let range = NOW_MS..NOW_MS + 2;
    let mut read: Vec<Movement> = Vec::new();
    loop {
        let page = reconciliations.movements(range.clone(), read.last(), 2);
        let page = page.await.unwrap();
        assert!(page.len() <= 2, "{page:?}");
        if page.is_empty() {
            break;
        }
        read.extend(page);
    }
    assert_eq!(read, moved[..7], "those of the stretch, each once");
    let asked: Vec<String> = ["payment/9", "payment/10", "it's \"quoted\"", "payment/2"]
        .map(str::to_owned)
        .into();
    let mut named = reconciliations.named(&asked).await.unwrap();
    named.sort_by_key(|movement| movement.payment_id);
    assert_eq!(named, [moved[1].clone(), moved[8].clone()]);
    assert_eq!(reconciliations.named(&[]).await.unwrap(), []);
    let found = payments.find(&[id(77), id(78)]).await.unwrap();
    assert_eq!(found.len(), 1, "what is unknown is left out");
    many_rows_are_recorded_and_found(&reconciliations, &asked).await;
}

async fn many_rows_are_recorded_and_found(reconciliations: &SharedReconciliations, asked: &[String]) {
    let leads = reconciliations
        .leaderships()
        .try_take("reconcile", "a", NOW_MS, 1_000)
        .await
        .unwrap()
        .unwrap();
    let line = SettlementRow {
        charge_id: "ch_1".to_owned(),
        reference: asked[2].clone(),
        kind: SettlementKind::Capture,
        amount: 5,
        currency: "EUR".parse().unwrap(),
    };
    let day = NewReconciliation {
        of: Reconciliation {
            day: "2026-11-21".to_owned(),
            lines: 2,
            fits: 0,
            at_ms: NOW_MS,
        },
        lines: vec![line.clone(), line],
        breaks: (1..=MANY).map(found_break).collect(),
    };
    reconciliations.record(&leads, NOW_MS + 1, &day).await.unwrap();
    let before = async |day: &str| reconciliations.earlier(asked, day).await.unwrap();
    assert!(before("2026-11-21").await.is_empty(), "only of earlier days");
    assert_eq!(
        before("2026-11-22").await,
        BTreeSet::from([asked[2].clone()]),
        "once"
    );
    let limit = u32::try_from(MANY).unwrap() + 1;
    let breaks = reconciliations
        .breaks(&tenant(), None, None, limit)
        .await
        .unwrap();
    assert!(breaks == day.breaks, "all breaks as they were recorded");
}

async fn fences(database: &Database) -> Vec<i64> {
    const FENCES: &str = "SELECT fence FROM reconciliation UNION ALL SELECT fence FROM reconciliation_look";
    let read: Result<Vec<i64>, StoreError> = match database {
        Database::Sqlite(sql) => {
            sql.read("read_fences", |conn| {
                sql::scoped(async move { Ok(sqlx::query_scalar(FENCES).fetch_all(conn).await?) })
            })
            .await
        }
        Database::Postgres(sql) => {
            sql.read("read_fences", |conn| {
                sql::scoped(async move { Ok(sqlx::query_scalar(FENCES).fetch_all(conn).await?) })
            })
            .await
        }
    };
    read.unwrap()
}

/// Two processes' handles on one database.
async fn two_stores_share_what_is_due_and_carry_on_what_the_other_left(url: &str) {
    let stores = [payments(&database(url).await), payments(&database(url).await)];
    for number in 0..20 {
        let mut new = new_payment();
        new.payment.id = id(100 + number);
        new.claim.key = [u8::try_from(number).unwrap(); 32];
        new.velocity.payments_max = 100;
        new.velocity.minor_max = 1_000_000;
        new.event.id = format!("payment.created/{}", new.payment.id);
        stores[0].create(&new, NOW_MS).await.unwrap().unwrap();
    }
    let taking = |store: usize, owner: &'static str, now_ms: u64| {
        let store = stores[store].clone();
        async move { store.take_due(owner, now_ms, now_ms + 1_000, 7).await.unwrap() }
    };
    let mut taken = Vec::new();
    for _ in 0..3 {
        let (a, b) = tokio::join!(taking(0, "a", NOW_MS), taking(1, "b", NOW_MS));
        taken.extend(a.into_iter().chain(b).map(|leased| leased.payment.id));
    }
    let distinct: BTreeSet<_> = taken.iter().collect();
    assert_eq!((taken.len(), distinct.len()), (20, 20), "each is one process's");
    let mut carried_on = 0;
    for _ in 0..3 {
        for leased in taking(1, "b", NOW_MS + 1_000).await {
            let saved = stores[1].save(&first_step(&leased, "b", NOW_MS + 1_001)).await;
            saved.unwrap();
            carried_on += 1;
        }
    }
    assert_eq!(carried_on, 20, "those that `a` left as well");
    assert_eq!(stores[0].count_due(NOW_MS + 1_001).await.unwrap(), 20);
}

#[tokio::test]
async fn two_stores_on_one_postgresql_share_what_is_due_and_carry_on_what_the_other_left() {
    let Some(engine) = OnPostgres::new("saga store") else {
        return;
    };
    two_stores_share_what_is_due_and_carry_on_what_the_other_left(&engine.url()).await;
    engine.remove().await;
}

#[tokio::test]
async fn two_stores_on_one_file_share_what_is_due_and_carry_on_what_the_other_left() {
    let engine = OnSqlite::new("saga store").expect("a folder");
    two_stores_share_what_is_due_and_carry_on_what_the_other_left(&engine.url()).await;
}

macro_rules! on_both_engines {
    ($($case:ident),*) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $case() {
                    let engine = super::OnSqlite::new("saga store").expect("a folder");
                    super::$case(&super::database(&super::Engine::url(&engine)).await).await;
                }
            )*
        }
        mod postgres {
            $(
                #[tokio::test]
                async fn $case() {
                    let Some(engine) = super::OnPostgres::new("saga store") else { return };
                    super::$case(&super::database(&super::Engine::url(&engine)).await).await;
                    super::Engine::remove(&engine).await;
                }
            )*
        }
    };
}

on_both_engines!(
    a_process_that_lost_its_payment_writes_zero_rows,
    a_wake_is_not_lost_to_the_save_that_lets_go,
    a_leader_that_was_stopped_past_its_time_records_no_day,
    what_a_day_is_judged_by_is_read_page_by_page_and_set_by_set
);
