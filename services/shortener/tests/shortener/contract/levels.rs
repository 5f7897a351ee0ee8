//! Every statement of the store is sent, with the levels that it declares.

use std::collections::HashSet;

use shortener::store::cql::{CqlDomainRules, CqlLinkStore, CqlSlots, CqlStatistics, STATEMENTS};
use testkit::cql_wire;
use testkit::engines::{self, Kind};
use wide::{Level, Serial, Statement};

use super::engines::{Keyspace, connect};
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_is_sent_with_the_levels_it_declares() {
    let case = "every_statement_is_sent_with_the_levels_it_declares";
    // Made first, and not through the recorder: what it sends is not the store's.
    let (Some(keyspace), Some(engine)) = (Keyspace::of(case).await, engines::address(Kind::Cql, case)) else {
        return;
    };
    drop(CqlLinkStore::open(keyspace.connect().await).await.unwrap());
    let (address, requests) = cql_wire::record(engine).await;
    let wide = connect(address, engine, 5_000).await;
    let name = wide.keyspace().to_owned();
    let store = CqlLinkStore::open(wide.clone()).await.unwrap();
    let store = store.in_code_space(&keyspace.names.space());

    let declared = declared(&name);
    let mut sent = HashSet::new();
    // Before its link is deleted, after which nothing of it is kept.
    let pages = CqlStatistics::new(wide.clone(), 0).in_space(&keyspace.names.space());
    statistics::put_and_read_some(&pages, keyspace.names).await;
    one_after_another(&store, keyspace.names).await;
    slots::take_some_and_forget(&CqlSlots::new(wide.clone()), keyspace.names).await;
    domain_rules::keep_and_change(&CqlDomainRules::new(wide), keyspace.names).await;
    // Who meets whom is up to the scheduler: the rounds go on until everything was met.
    for round in 1..=20 {
        at_once(&store, keyspace.names, round).await;
        for request in requests.of(&format!("{name}.")) {
            let [text] = &request.texts[..] else {
                panic!("the store sends no batches");
            };
            // The schema's version is read when the store opens.
            if !text.contains("wide_state") {
                sent.insert((text.clone(), request.level, request.serial));
            }
        }
        if sent.len() >= declared.len() {
            break;
        }
    }
    assert_eq!(sent, declared);
}

/// Text and levels of each statement, as the protocol numbers them.
fn declared(keyspace: &str) -> HashSet<(String, u16, Option<u16>)> {
    let of = |statement: &&Statement| {
        let level = match statement.consistency {
            Level::Quorum => 4,
            Level::Serial => 8,
            other => panic!("`{}` declares {other:?}", statement.name),
        };
        let serial = match statement.serial {
            Serial::None => None,
            Serial::Global => Some(8),
            Serial::Local => panic!("`{}` is agreed in one datacenter only", statement.name),
        };
        (statement.cql.replace("{keyspace}", keyspace), level, serial)
    };
    STATEMENTS.iter().map(of).collect()
}

/// What sends each statement that needs nobody else.
async fn one_after_another(store: &CqlLinkStore, names: Names) {
    let (made, record) = (names.link(1, "made"), names.record("k", "body"));
    assert_eq!(store.create(&made, None).await.unwrap(), Created::Now);
    let refused = store.create(&names.link(2, "made"), Some(&record)).await;
    assert_eq!(refused.unwrap(), Created::Taken);
    let changed = Link {
        revision: 2,
        ..made.clone()
    };
    assert!(store.replace(&changed).await.unwrap());
    for event in ["e-1", "e-2"] {
        let batch = names.clicks(event, &[("acme", 1, 1, NOW_MS)]);
        assert!(store.add_clicks(&batch).await.unwrap());
    }
    assert_eq!(store.list(&made.tenant, None, 1).await.unwrap().len(), 1);
    assert!(store.delete(&made.tenant, &made.code).await.unwrap());
    let again = names.link(3, "made");
    assert_eq!(store.create(&again, Some(&record)).await.unwrap(), Created::Now);
    let later = Link {
        created_at_ms: NOW_MS + 2 * DAY_MS,
        ..names.link(4, "later")
    };
    let record = NewRecord {
        asked_at_ms: NOW_MS + 2 * DAY_MS,
        ..record
    };
    assert_eq!(store.create(&later, Some(&record)).await.unwrap(), Created::Now);
    store.lease_counters(1, 1_000).await.unwrap();
    store.pin_key_fingerprint("key").await.unwrap();
    assert_eq!(store.key_fingerprint().await.unwrap().as_deref(), Some("key"));
}

/// What sends those that settle who was first.
async fn at_once(store: &CqlLinkStore, names: Names, round: u64) {
    let hot = names.link(round * 100, "hot");
    store.create(&hot, None).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 1..=8 {
        let (store, hot) = (store.clone(), hot.clone());
        tasks.spawn(async move {
            let event = format!("hot-{round}-{number}");
            let batch = names.clicks(&event, &[("acme", hot.id.as_u64(), 1, NOW_MS)]);
            settled(|| store.add_clicks(&batch)).await;
            let made = names.link(round * 100 + number, &format!("copy-{round}-{}", number % 2));
            let record = names.record(&format!("copy-{round}-{}", number % 4), "body");
            settled(|| store.create(&made, Some(&record))).await;
        });
    }
    tasks.join_all().await;
    assert!(store.delete(&hot.tenant, &hot.code).await.unwrap());
}
