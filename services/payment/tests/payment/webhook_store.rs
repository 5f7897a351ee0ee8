//! What the port of webhooks promises, on every engine.

use std::collections::HashSet;

use bytes::Bytes;
use idempotency::{Fingerprint, Outcome};
use identity::Tenant;
use ids::Id;
use payment::store::Database;
use payment::store::webhooks::{
    self, Attempted, DeliveryFilter, DeliveryState, Endpoint, EndpointChange, EndpointState, Event,
    NewSecret, NotCreated, NotReplayed, Patience, Recorded, RequestClaim, SharedWebhooks, TakeDue,
};

use crate::fresh_database::{Fresh, NOW_MS};

const PATIENCE: Patience = Patience {
    dead_max: 2,
    failing_ms_max: 1_000_000,
};

fn id(number: u64) -> Id {
    Id::from_u64(number).unwrap()
}

fn tenant() -> Tenant {
    Tenant::parse("acme").unwrap()
}

fn endpoint(number: u64, kinds: &[&str]) -> Endpoint {
    Endpoint {
        tenant: tenant(),
        id: id(number),
        url: "https://shop.example.com/hooks".to_owned(),
        kinds: kinds.iter().map(|&kind| kind.to_owned()).collect(),
        description: "Ada's \"shop\" ü".to_owned(),
        state: EndpointState::Enabled,
        state_at_ms: NOW_MS,
        secret: vec![1, 2, 3],
        former: None,
        failing_since_ms: None,
        dead_in_a_row: 0,
        created_at_ms: NOW_MS,
    }
}

async fn put(store: &SharedWebhooks, endpoint: &Endpoint) {
    let made = store.create_endpoint(endpoint, None, 20).await.unwrap().unwrap();
    assert_eq!(made, Outcome::Fresh(endpoint.clone()));
}

fn event(name: &str) -> Event {
    Event {
        tenant: tenant(),
        id: name.to_owned(),
        kind: "payment.captured".to_owned(),
        body: Bytes::from_static(b"{\"type\":\"payment.captured\"}\x00\xff"),
        at_ms: NOW_MS,
    }
}

fn ask(limit: u32, each_max: u32, busy: &[u64]) -> TakeDue {
    TakeDue {
        now_ms: NOW_MS,
        lease_until_ms: NOW_MS + 1_000,
        limit,
        each_max,
        busy: busy.iter().map(|number| id(*number)).collect(),
    }
}

fn attempted(state: DeliveryState) -> Attempted {
    Attempted {
        state,
        next_at_ms: NOW_MS + 5_000,
        status: Some(500),
        error: Some("the answer was 500".to_owned()),
        at_ms: NOW_MS,
        counts: true,
    }
}

#[tokio::test]
async fn endpoints_are_kept_listed_changed_and_deleted_and_are_one_tenants_own() {
    for fresh in Fresh::each("endpoints_are_kept").await {
        let (store, other) = (webhooks::open(&fresh.database), Tenant::parse("bcme").unwrap());
        for number in [3, 1, 2] {
            put(&store, &endpoint(number, &["payment.captured"])).await;
        }
        let all = store.endpoints(&tenant(), None, 10).await.unwrap();
        assert_eq!(
            all,
            [1, 2, 3].map(|number| endpoint(number, &["payment.captured"]))
        );
        let rest = store.endpoints(&tenant(), Some(id(1)), 1).await.unwrap();
        assert_eq!(rest[0].id, id(2));
        assert!(store.endpoints(&other, None, 10).await.unwrap().is_empty());
        assert_eq!(store.endpoint(&other, id(1)).await.unwrap(), None);
        let change = EndpointChange {
            url: Some("https://other.example.com/".to_owned()),
            kinds: Some(Vec::new()),
            description: None,
            enabled: Some(false),
        };
        assert_eq!(
            store.change_endpoint(&other, id(1), &change, 9).await.unwrap(),
            None
        );
        let changed = store
            .change_endpoint(&tenant(), id(1), &change, 9)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            store.endpoint(&tenant(), id(1)).await.unwrap(),
            Some(changed.clone())
        );
        assert_eq!(
            (changed.state, changed.state_at_ms, changed.kinds.len()),
            (EndpointState::Disabled, 9, 0)
        );
        assert_eq!(changed.description, endpoint(1, &[]).description);
        assert!(!store.delete_endpoint(&other, id(2)).await.unwrap());
        store.enqueue(&event("evt_1"), None).await.unwrap();
        assert!(store.delete_endpoint(&tenant(), id(2)).await.unwrap());
        let left = store
            .deliveries(&tenant(), DeliveryFilter::default(), None, 10)
            .await
            .unwrap();
        assert!(
            left.iter().all(|delivery| delivery.endpoint_id == id(3)),
            "what waited for it went with it"
        );
        fresh.remove().await;
    }
}

#[tokio::test]
async fn one_claim_makes_one_endpoint_whoever_races_and_a_tenant_has_so_many_at_most() {
    for fresh in Fresh::each("one_claim_makes_one_endpoint").await {
        let store = webhooks::open(&fresh.database);
        let claim = RequestClaim {
            key: [7; 32],
            fingerprint: Fingerprint::of("POST", "/", b"a"),
        };
        let racers: Vec<_> = (1..=8)
            .map(|number| {
                let store = store.clone();
                tokio::spawn(async move {
                    store
                        .create_endpoint(&endpoint(number, &[]), Some(claim), 3)
                        .await
                })
            })
            .collect();
        let (mut fresh_ones, mut ids) = (0, HashSet::new());
        for racer in racers {
            let made = racer.await.unwrap().unwrap().unwrap();
            fresh_ones += u32::from(!made.is_replay());
            ids.insert(made.get().id);
        }
        assert_eq!((fresh_ones, ids.len()), (1, 1));
        let other = RequestClaim {
            fingerprint: Fingerprint::of("POST", "/", b"b"),
            ..claim
        };
        let refused = store
            .create_endpoint(&endpoint(20, &[]), Some(other), 3)
            .await
            .unwrap();
        assert_eq!(refused, Err(NotCreated::KeyReused));
        for number in [21, 22] {
            put(&store, &endpoint(number, &[])).await;
        }
        let refused = store.create_endpoint(&endpoint(23, &[]), None, 3).await.unwrap();
        assert_eq!(refused, Err(NotCreated::TooMany { max: 3 }));
        fresh.remove().await;
    }
}

#[tokio::test]
async fn a_repeated_rotation_finds_its_own_secret_and_drops_no_other() {
    for fresh in Fresh::each("a_repeated_rotation").await {
        let store = webhooks::open(&fresh.database);
        put(&store, &endpoint(1, &[])).await;
        let new = |byte, claim| NewSecret {
            sealed: vec![byte],
            former_until_ms: NOW_MS + 10,
            claim,
        };
        let first = store
            .rotate_secret(&tenant(), id(1), &new(8, Some([1; 32])))
            .await
            .unwrap()
            .unwrap();
        let repeated = store
            .rotate_secret(&tenant(), id(1), &new(9, Some([1; 32])))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(first, repeated);
        assert_eq!(first.secret, [8]);
        assert_eq!(first.former.as_ref().unwrap().sealed, [1, 2, 3]);
        assert!(first.former_at(NOW_MS + 9).is_some() && first.former_at(NOW_MS + 10).is_none());
        let second = store
            .rotate_secret(&tenant(), id(1), &new(10, None))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (second.secret, second.former.unwrap().sealed),
            (vec![10], vec![8])
        );
        assert_eq!(
            store
                .rotate_secret(&tenant(), id(9), &new(1, None))
                .await
                .unwrap(),
            None
        );
        fresh.remove().await;
    }
}

#[tokio::test]
async fn an_event_is_in_line_exactly_if_its_transaction_commits() {
    for fresh in Fresh::each("an_event_is_in_line").await {
        let store = webhooks::open(&fresh.database);
        put(&store, &endpoint(1, &[])).await;
        put(&store, &endpoint(2, &["payment.refunded"])).await;
        for (name, commits) in [("evt_1", false), ("evt_1", true), ("evt_1", true)] {
            let event = event(name);
            let event = &event;
            let outcome: Result<(), sql::SqlError> = match &fresh.database {
                Database::Sqlite(sql) => {
                    sql.write("test", |tx| {
                        sql::scoped(async move {
                            webhooks::enqueue_sqlite(tx, event).await.unwrap();
                            if commits {
                                Ok(())
                            } else {
                                Err(sql::SqlError::Unexpected("no".to_owned()))
                            }
                        })
                    })
                    .await
                }
                Database::Postgres(sql) => {
                    sql.write("test", |tx| {
                        sql::scoped(async move {
                            webhooks::enqueue_postgres(tx, event).await.unwrap();
                            if commits {
                                Ok(())
                            } else {
                                Err(sql::SqlError::Unexpected("no".to_owned()))
                            }
                        })
                    })
                    .await
                }
            };
            assert_eq!(outcome.is_ok(), commits);
            let there = store
                .deliveries(&tenant(), DeliveryFilter::default(), None, 10)
                .await
                .unwrap();
            assert_eq!(there.len(), usize::from(commits));
            if let Some(delivery) = there.first() {
                assert_eq!((delivery.endpoint_id, &delivery.body), (id(1), &event.body));
            }
        }
        fresh.remove().await;
    }
}

#[tokio::test]
async fn of_many_that_take_each_delivery_is_one_ones_and_no_endpoint_gets_more_than_its_share() {
    for fresh in Fresh::each("of_many_that_take").await {
        let store = webhooks::open(&fresh.database);
        put(&store, &endpoint(1, &[])).await;
        for number in 0..30 {
            store
                .enqueue(&event(&format!("evt_{number}")), None)
                .await
                .unwrap();
        }
        put(&store, &endpoint(2, &[])).await;
        store.enqueue(&event("evt_last"), None).await.unwrap();
        let shared_out = store.take_due(&ask(10, 3, &[])).await.unwrap();
        let of = |number| {
            shared_out
                .iter()
                .filter(|taken| taken.endpoint.id == id(number))
                .count()
        };
        assert_eq!((of(1), of(2)), (3, 1), "a line of 30 does not hold up the other");
        assert!(
            store.take_due(&ask(10, 3, &[1])).await.unwrap().is_empty(),
            "the one that is busy is left alone"
        );
        let racers: Vec<_> = (0..8)
            .map(|_| {
                let store = store.clone();
                tokio::spawn(async move { store.take_due(&ask(10, 10, &[])).await.unwrap() })
            })
            .collect();
        let mut taken = HashSet::new();
        for racer in racers {
            for one in racer.await.unwrap() {
                assert_eq!(one.delivery.attempt, 1);
                assert!(taken.insert(one.delivery.id), "twice");
            }
        }
        // Whoever raced may have found rows locked and gone without.
        loop {
            let rest = store.take_due(&ask(10, 10, &[])).await.unwrap();
            if rest.is_empty() {
                break;
            }
            taken.extend(rest.iter().map(|one| one.delivery.id));
        }
        assert_eq!(taken.len(), 28, "and none is lost");
        fresh.remove().await;
    }
}

#[tokio::test]
async fn only_the_last_who_took_it_records_and_deaths_in_a_row_disable_the_endpoint() {
    for fresh in Fresh::each("only_the_last_who_took_it").await {
        let store = webhooks::open(&fresh.database);
        put(&store, &endpoint(1, &[])).await;
        for name in ["evt_1", "evt_2"] {
            store.enqueue(&event(name), None).await.unwrap();
        }
        let first = store.take_due(&ask(2, 2, &[])).await.unwrap();
        let late = TakeDue {
            now_ms: NOW_MS + 1_000,
            ..ask(2, 2, &[])
        };
        let again = store.take_due(&late).await.unwrap();
        assert_eq!(again.len(), 2, "the lease is over");
        let dead = attempted(DeliveryState::Dead);
        let lost = store.record(&first[0].delivery, &dead, PATIENCE).await.unwrap();
        assert_eq!(lost, Recorded::Lost);
        assert_eq!(
            store.record(&again[0].delivery, &dead, PATIENCE).await.unwrap(),
            Recorded::Done
        );
        assert_eq!(
            store.record(&again[1].delivery, &dead, PATIENCE).await.unwrap(),
            Recorded::Disabled
        );
        assert_eq!(
            store.record(&again[1].delivery, &dead, PATIENCE).await.unwrap(),
            Recorded::Lost
        );
        let disabled = store.endpoint(&tenant(), id(1)).await.unwrap().unwrap();
        assert_eq!(
            (disabled.state, disabled.dead_in_a_row),
            (EndpointState::Failed, 2)
        );
        assert_eq!(store.enqueue(&event("evt_3"), None).await.unwrap(), 0);
        let filter = DeliveryFilter {
            endpoint_id: Some(id(1)),
            state: Some(DeliveryState::Dead),
        };
        let letters = store.deliveries(&tenant(), filter, None, 10).await.unwrap();
        assert_eq!(letters.len(), 2);
        let (letter, other) = (letters[0].id, Tenant::parse("bcme").unwrap());
        assert_eq!(
            store.replay(&other, letter, NOW_MS).await.unwrap(),
            Err(NotReplayed::NotFound)
        );
        assert_eq!(
            store.replay(&tenant(), letter, NOW_MS).await.unwrap(),
            Err(NotReplayed::EndpointDisabled)
        );
        is_replayed_once_it_is_enabled(&store, letter).await;
        fresh.remove().await;
    }
}

async fn is_replayed_once_it_is_enabled(store: &SharedWebhooks, letter: payment::ledger::Id) {
    let enable = EndpointChange {
        enabled: Some(true),
        ..EndpointChange::default()
    };
    store
        .change_endpoint(&tenant(), id(1), &enable, NOW_MS)
        .await
        .unwrap();
    let replayed = store.replay(&tenant(), letter, NOW_MS).await.unwrap().unwrap();
    assert_eq!(
        (replayed.state, replayed.attempt_of_round),
        (DeliveryState::Pending, 0)
    );
    let twice = store.replay(&tenant(), letter, NOW_MS).await.unwrap().unwrap();
    assert_eq!(twice, replayed, "one that waits is left as it is");
    let taken = store.take_due(&ask(5, 5, &[])).await.unwrap();
    assert_eq!(taken.len(), 1);
    let delivered = Attempted {
        status: Some(204),
        error: None,
        ..attempted(DeliveryState::Delivered)
    };
    assert_eq!(
        store
            .record(&taken[0].delivery, &delivered, PATIENCE)
            .await
            .unwrap(),
        Recorded::Done
    );
    let backlog = store.backlog().await.unwrap();
    assert_eq!((backlog.waiting, backlog.dead), (0, 1));
    assert_eq!(store.forget_deliveries(NOW_MS, 10).await.unwrap(), 0);
    assert_eq!(store.forget_deliveries(NOW_MS + 1, 10).await.unwrap(), 2);
}
