//! Every statement of the store is sent, with the levels that it declares.

use std::collections::{HashMap, HashSet};

use shortener::store::cql::{CqlLinkStore, STATEMENTS};
use testkit::engines::{self, Kind};
use wide::{Level, Serial};

use super::engines::{Keyspace, connect};
use super::*;

#[path = "../../../../../shared/wide/tests/wide/wire.rs"]
mod wire;

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_is_sent_with_the_levels_it_declares() {
    let case = "every_statement_is_sent_with_the_levels_it_declares";
    // Made first, and not through the recorder: what it sends is not the store's.
    let (Some(keyspace), Some(engine)) = (Keyspace::of(case).await, engines::address(Kind::Cql, case)) else {
        return;
    };
    drop(CqlLinkStore::open(keyspace.connect().await).await.unwrap());
    let (address, requests) = wire::record(engine).await;
    let wide = connect(address, engine, 5_000).await;
    let name = wide.keyspace().to_owned();
    let store = CqlLinkStore::open(wide).await.unwrap();
    let store = store.in_code_space(&keyspace.names.space());

    one_after_another(&store, keyspace.names).await;
    for round in 1..=3 {
        at_once(&store, keyspace.names, round).await;
    }

    let mut sent = HashMap::new();
    for request in requests.of(&format!("{name}.")) {
        let [text] = &request.texts[..] else {
            panic!("the store sends no batches");
        };
        // The schema's version, read when the store opens.
        if text.contains("wide_state") {
            continue;
        }
        let levels = sent.entry(text.clone()).or_insert_with(HashSet::new);
        levels.insert((request.level, request.serial));
    }
    let mut declared = HashMap::new();
    for statement in STATEMENTS {
        let text = statement.cql.replace("{keyspace}", &name);
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
        // One text may be read at two levels.
        declared
            .entry(text)
            .or_insert_with(HashSet::new)
            .insert((level, serial));
    }
    for (text, levels) in &sent {
        let known = declared.get(text);
        assert_eq!(known, Some(levels), "{text}");
    }
    assert_eq!(sent.len(), declared.len(), "each of them was sent");
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
