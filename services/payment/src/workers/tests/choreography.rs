//! `captured`, receipt, notified: whoever dies after whichever step.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use clock::SystemClock;
use outbox::{Bell, Relay};
use serde_json::{Value, json};
use sql::scoped;
use streams::{Consumer, ConsumerSettings, Delivery, Event, Group, Handler, HandlerError, Position};
use tokio::task::JoinSet;

use super::{World, eventually, id, on_both, quick, telemetry, tenant};
use crate::store::receipts::{self, SharedReceipts};
use crate::store::webhooks::{self, DeliveryFilter, Endpoint, EndpointState, SharedWebhooks};
use crate::store::{Database, StoreError};
use crate::workers::{IssueReceipts, NOTIFY_GROUP, NotifyMerchants, RECEIPTS_GROUP, STREAM};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

const RECEIPTS: &str = "SELECT count(*) FROM receipt WHERE payment_id = $1";
const VOIDED: &str = "SELECT count(*) FROM receipt WHERE payment_id = $1 AND voided_at_ms IS NOT NULL";
const NOTIFICATIONS: &str = "SELECT count(*) FROM notification WHERE payment_id = $1";

/// Where the program dies: at the first event of that kind, in that group, before or after its effect is committed.
#[derive(Debug, Clone, Copy)]
struct Death {
    group: &'static str,
    kind: &'static str,
    before: bool,
}

const DEATHS: [Death; 4] = [
    Death {
        group: RECEIPTS_GROUP,
        kind: "payment.captured",
        before: true,
    },
    Death {
        group: RECEIPTS_GROUP,
        kind: "payment.captured",
        before: false,
    },
    Death {
        group: NOTIFY_GROUP,
        kind: "payment.receipt_issued",
        before: true,
    },
    Death {
        group: NOTIFY_GROUP,
        kind: "payment.receipt_issued",
        before: false,
    },
];

/// A handler that hangs for ever at its death, and says so.
struct Mortal {
    inner: Arc<dyn Handler>,
    death: Option<Death>,
    dead: Arc<AtomicBool>,
}

#[async_trait]
impl Handler for Mortal {
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError> {
        let death = self.death.filter(|death| death.kind == delivery.event.kind);
        let die = async || {
            self.dead.store(true, Ordering::SeqCst);
            std::future::pending::<()>().await;
        };
        if death.is_some_and(|death| death.before) {
            die().await;
        }
        let handled = self.inner.handle(delivery).await;
        if death.is_some() {
            die().await;
        }
        handled
    }
}

/// A start of the program: relay and both consumers. Dropped, it is killed.
struct Program {
    dead: Arc<AtomicBool>,
    _tasks: JoinSet<()>,
}

fn handlers(world: &World, bell: &Bell) -> [(&'static str, Arc<dyn Handler>); 2] {
    let receipts = receipts::open(&world.database);
    let issue = IssueReceipts {
        receipts: Arc::clone(&receipts),
        clock: SystemClock::shared(),
        telemetry: telemetry(),
        bell: bell.clone(),
    };
    let notify = NotifyMerchants {
        receipts,
        clock: SystemClock::shared(),
        telemetry: telemetry(),
        bell: bell.clone(),
    };
    [
        (RECEIPTS_GROUP, Arc::new(issue)),
        (NOTIFY_GROUP, Arc::new(notify)),
    ]
}

fn start(world: &World, death: Option<Death>) -> Program {
    let (dead, mut tasks) = (Arc::<AtomicBool>::default(), JoinSet::new());
    let (clock, outbox, log) = (
        SystemClock::shared(),
        world.database.outbox(),
        Arc::clone(&world.log),
    );
    let relay = Relay::new(outbox, log, STREAM, quick(), clock, telemetry());
    let bell = relay.bell();
    tasks.spawn(async move { relay.run("test", std::future::pending()).await });
    for (group, inner) in handlers(world, &bell) {
        let death = death.filter(|death| death.group == group);
        let handler = Arc::new(Mortal {
            inner,
            death,
            dead: Arc::clone(&dead),
        });
        let settings = ConsumerSettings {
            poll_ms: 20,
            ..ConsumerSettings::default()
        };
        let consumer = Consumer::new(Arc::clone(&world.log), Group::new(STREAM, group), settings);
        tasks.spawn(async move { consumer.run(handler, std::future::pending()).await });
    }
    Program { dead, _tasks: tasks }
}

/// What an event tells of a refund, and merchants hear.
fn refund() -> Value {
    json!({"refund_id": "77", "amount": "200", "whole": false})
}

fn event(kind: &str, payment: u64) -> Event {
    let (event_id, key) = (format!("{kind}-{payment}"), format!("payment/{payment}"));
    let refund = (kind == "payment.refunded").then(refund);
    let data = json!({"payment_id": payment.to_string(), "refund": refund});
    let event = Event::new(event_id, "/payment", kind, key, 1_767_225_600_000, &data).unwrap();
    Event {
        tenant: Some("acme".to_owned()),
        traceparent: Some(TRACE.to_owned()),
        ..event
    }
}

const PAYMENT: &str = "
    INSERT INTO payment (tenant, id, payer_account_id, merchant_account_id, amount, currency, method, hold_id, capture_id,
        release_id, state, saga, created_at_ms, updated_at_ms)
    VALUES ('acme', $1, 1, 2, 700, 'EUR', 'tok_visa', 1, 2, 3, $2, '{}', 1, 1)
    ON CONFLICT (id) DO UPDATE SET state = excluded.state";

/// What the saga does: the state, and the event that tells of it, in one transaction.
async fn saga(world: &World, payment: u64, state: &'static str, kind: &str) {
    let (event, row) = (event(kind, payment), i64::try_from(payment).unwrap());
    let event = &event;
    let done: Result<(), StoreError> = match &world.database {
        Database::Sqlite(sql) => {
            sql.write("saga", |tx| {
                scoped(async move {
                    sqlx::query(PAYMENT)
                        .bind(row)
                        .bind(state)
                        .execute(&mut *tx)
                        .await?;
                    Ok(outbox::append_sqlite(tx, std::slice::from_ref(event)).await?)
                })
            })
            .await
        }
        Database::Postgres(sql) => {
            sql.write("saga", |tx| {
                scoped(async move {
                    sqlx::query(PAYMENT)
                        .bind(row)
                        .bind(state)
                        .execute(&mut *tx)
                        .await?;
                    Ok(outbox::append_postgres(tx, std::slice::from_ref(event)).await?)
                })
            })
            .await
        }
    };
    done.unwrap();
}

async fn with_endpoint(world: &World) -> SharedWebhooks {
    let store = webhooks::open(&world.database);
    let endpoint = Endpoint {
        tenant: tenant(),
        id: id(9),
        url: "https://merchant.example/hook".to_owned(),
        kinds: Vec::new(),
        description: String::new(),
        state: EndpointState::Enabled,
        state_at_ms: 1,
        secret: vec![1; 32],
        former: None,
        failing_since_ms: None,
        dead_in_a_row: 0,
        created_at_ms: 1,
    };
    store.create_endpoint(&endpoint, None, 10).await.unwrap().unwrap();
    store
}

/// What is in line for the merchant about a payment: kind, state and receipt's state, the oldest first.
async fn webhooks_of(store: &SharedWebhooks, payment: u64) -> Vec<(String, String, String)> {
    let found = store
        .deliveries(&tenant(), DeliveryFilter::default(), None, 100)
        .await
        .unwrap();
    let told = |body: &Bytes| -> Value { serde_json::from_slice(body).unwrap() };
    let mut about: Vec<_> = found
        .iter()
        .map(|delivery| (delivery.kind.clone(), told(&delivery.body)))
        .filter(|(_, body)| body["data"]["payment_id"] == *payment.to_string())
        .map(|(kind, body)| {
            let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
            assert_eq!(kind, text(&body["type"]));
            let of_refund = (kind == "payment.refunded").then(refund).unwrap_or_default();
            assert_eq!(
                body["data"]["refund"], of_refund,
                "which one it was, and of no other event"
            );
            (
                kind,
                text(&body["data"]["state"]),
                text(&body["data"]["receipt"]["state"]),
            )
        })
        .collect();
    about.reverse();
    about
}

fn told(kind: &str, state: &str, receipt: &str) -> (String, String, String) {
    (kind.to_owned(), state.to_owned(), receipt.to_owned())
}

async fn is_streamed(world: &World, payment: u64, kind: &str) -> bool {
    let streamed = world.streamed(STREAM, &format!("payment/{payment}")).await;
    streamed.iter().any(|event| event.kind == kind)
}

async fn whoever_dies_after_whichever_step_there_is_one_receipt_one_notification_and_one_trace(
    world: &mut World,
) {
    let store = with_endpoint(world).await;
    let deaths = DEATHS.map(Some);
    for (payment, death) in (100..).zip(deaths.into_iter().chain([None])) {
        let first = start(world, death);
        saga(world, payment, "captured", "payment.captured").await;
        if death.is_some() {
            eventually("it dies", async || first.dead.load(Ordering::SeqCst)).await;
        }
        drop(first);
        world.restarted().await;
        let second = start(world, None);
        eventually("all is told", async || {
            is_streamed(world, payment, "payment.notified").await
        })
        .await;
        drop(second);
        world.restarted().await;
        let row = i64::try_from(payment).unwrap();
        assert_eq!(world.number(RECEIPTS, row).await, 1, "{death:?}");
        assert_eq!(world.number(NOTIFICATIONS, row).await, 1, "{death:?}");
        assert_eq!(
            webhooks_of(&store, payment).await,
            [told("payment.captured", "captured", "issued")],
            "{death:?}"
        );
        let streamed = world.streamed(STREAM, &format!("payment/{payment}")).await;
        let kinds: Vec<&str> = streamed.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(
            kinds,
            ["payment.captured", "payment.receipt_issued", "payment.notified"],
            "{death:?}"
        );
        for event in &streamed {
            let traceparent = event.traceparent.as_deref().unwrap();
            assert_eq!(
                traceparent.split('-').nth(1),
                TRACE.split('-').nth(1),
                "{death:?}: {}",
                event.kind
            );
        }
    }
}

async fn a_payment_that_went_back_before_its_receipt_has_a_voided_one_and_merchants_hear_so(
    world: &mut World,
) {
    let store = with_endpoint(world).await;
    saga(world, 7, "captured", "payment.captured").await;
    saga(world, 7, "refunded", "payment.refunded").await;
    let program = start(world, None);
    eventually("both are told", async || webhooks_of(&store, 7).await.len() == 2).await;
    let mut heard = webhooks_of(&store, 7).await;
    heard.sort();
    assert_eq!(heard[0], told("payment.captured", "refunded", "voided"));
    // Told by itself, without waiting for a receipt.
    assert_eq!(
        (heard[1].0.as_str(), heard[1].1.as_str()),
        ("payment.refunded", "refunded")
    );
    assert_eq!(
        (world.number(RECEIPTS, 7).await, world.number(VOIDED, 7).await),
        (1, 1)
    );
    drop(program);
}

async fn a_payment_that_goes_back_later_has_its_receipt_voided_and_a_part_of_it_does_not(world: &mut World) {
    let store = with_endpoint(world).await;
    let program = start(world, None);
    saga(world, 7, "captured", "payment.captured").await;
    eventually("it is told", async || {
        is_streamed(world, 7, "payment.notified").await
    })
    .await;
    saga(world, 8, "captured", "payment.captured").await;
    saga(world, 8, "partially_refunded", "payment.refunded").await;
    saga(world, 7, "refunded", "payment.refunded").await;
    eventually("it is voided", async || world.number(VOIDED, 7).await == 1).await;
    eventually("merchants hear of both", async || {
        webhooks_of(&store, 7).await.len() == 2 && webhooks_of(&store, 8).await.len() == 2
    })
    .await;
    assert_eq!(
        (world.number(RECEIPTS, 8).await, world.number(VOIDED, 8).await),
        (1, 0)
    );
    assert_eq!(
        webhooks_of(&store, 7).await[0],
        told("payment.captured", "captured", "issued")
    );
    drop(program);
}

fn delivery(event: Event) -> Delivery {
    Delivery {
        position: Position(1),
        published_ms: 1,
        deliveries: 1,
        event,
    }
}

async fn an_event_that_comes_again_and_again_has_one_effect(world: &mut World) {
    let store = with_endpoint(world).await;
    saga(world, 7, "captured", "payment.captured").await;
    let handlers = handlers(world, &Bell::default());
    let events = [
        "payment.captured",
        "payment.receipt_issued",
        "payment.created",
        "ledger.committed",
    ];
    let mut racing = JoinSet::new();
    for _ in 0..8 {
        for (_, handler) in &handlers {
            for kind in events {
                let handler = Arc::clone(handler);
                racing.spawn(async move { handler.handle(&delivery(event(kind, 7))).await });
            }
        }
    }
    while let Some(handled) = racing.join_next().await {
        handled.unwrap().unwrap();
    }
    assert_eq!(
        (
            world.number(RECEIPTS, 7).await,
            world.number(NOTIFICATIONS, 7).await
        ),
        (1, 1)
    );
    assert_eq!(webhooks_of(&store, 7).await.len(), 1);
    let waiting = world
        .number("SELECT count(*) FROM outbox WHERE position > $1", 0)
        .await;
    assert_eq!(waiting, 3, "captured, its receipt, and that merchants were told");
}

async fn an_event_that_makes_no_sense_is_poison(world: &mut World) {
    let receipts: SharedReceipts = receipts::open(&world.database);
    let [(_, issue), (_, notify)] = handlers(world, &Bell::default());
    let no_tenant = Event {
        tenant: None,
        ..event("payment.captured", 7)
    };
    let no_payment = Event {
        key: "ledger/7".to_owned(),
        ..event("payment.failed", 7)
    };
    let unknown = event("payment.captured", 8);
    for (handler, event) in [(&issue, no_tenant), (&notify, no_payment), (&issue, unknown)] {
        let handled = handler.handle(&delivery(event)).await;
        assert!(matches!(handled, Err(HandlerError::Poison(_))), "{handled:?}");
    }
    assert_eq!(receipts.receipt(&tenant(), id(8)).await.unwrap(), None);
}

on_both!(
    whoever_dies_after_whichever_step_there_is_one_receipt_one_notification_and_one_trace,
    a_payment_that_went_back_before_its_receipt_has_a_voided_one_and_merchants_hear_so,
    a_payment_that_goes_back_later_has_its_receipt_voided_and_a_part_of_it_does_not,
    an_event_that_comes_again_and_again_has_one_effect,
    an_event_that_makes_no_sense_is_poison,
);
