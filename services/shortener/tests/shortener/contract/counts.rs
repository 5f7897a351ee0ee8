//! Counts, the code space, and what may be forgotten.

use shortener::link::GENERATED_CODES;

use super::*;

pub(super) async fn counters_are_given_once_and_run_out(fixture: Fixture) {
    let stores = [fixture.store.clone(), fixture.another().await];
    let mut leases = tokio::task::JoinSet::new();
    for number in 0..40 {
        let store = stores[number % 2].clone();
        leases.spawn(async move { eventually_answered(|| store.lease_counters(10, GENERATED_CODES)).await });
    }
    let mut ranges = leases.join_all().await;
    ranges.sort_by_key(|range| range.start);
    let expected: Vec<_> = (0..40).map(|number| number * 10..number * 10 + 10).collect();
    assert_eq!(ranges, expected);
    assert_eq!(fixture.store.lease_counters(5, 405).await.unwrap(), 400..405);
    let over = fixture.store.lease_counters(1, 405).await.unwrap_err();
    assert!(matches!(over, StoreError::CodesExhausted), "{over}");
    assert_eq!(
        fixture.store.lease_counters(1, 406).await.unwrap(),
        405..406,
        "a refusal takes nothing"
    );
}

pub(super) async fn a_fingerprint_is_pinned_once(fixture: Fixture) {
    let store = &fixture.store;
    assert_eq!(store.key_fingerprint().await.unwrap(), None);
    assert_eq!(store.pin_key_fingerprint("first").await.unwrap(), "first");
    assert_eq!(store.pin_key_fingerprint("second").await.unwrap(), "first");
    assert_eq!(
        fixture
            .another()
            .await
            .key_fingerprint()
            .await
            .unwrap()
            .as_deref(),
        Some("first")
    );
}

pub(super) async fn an_event_counts_once_however_often_it_comes(fixture: Fixture) {
    let names = fixture.names;
    let store = &fixture.store;
    store.create(&names.link(1, "one"), None).await.unwrap();
    store.create(&names.link(2, "two"), None).await.unwrap();
    let batch = names.clicks(
        "e1",
        &[
            ("acme", 1, 3, NOW_MS + 7),
            ("acme", 2, 1, NOW_MS),
            ("acme", 1, 2, NOW_MS + 5),
        ],
    );
    assert!(store.add_clicks(&batch).await.unwrap());
    for other in [store.clone(), fixture.another().await] {
        assert!(!other.add_clicks(&batch).await.unwrap(), "redelivered");
    }
    assert!(
        store
            .add_clicks(&names.clicks("e2", &[("acme", 1, 1, NOW_MS + 1)]))
            .await
            .unwrap()
    );
    let counts = async |text: &str| {
        let clicks = store
            .find(&names.tenant("acme"), &names.code(text))
            .await
            .unwrap()
            .unwrap()
            .clicks;
        (clicks.count, clicks.last_at_ms)
    };
    assert_eq!(
        counts("one").await,
        (6, Some(NOW_MS + 7)),
        "the latest click stays the latest"
    );
    assert_eq!(counts("two").await, (1, Some(NOW_MS)));
}

pub(super) async fn garbage_is_collected_in_steps_and_nothing_else(fixture: Fixture) {
    let names = fixture.names;
    let store = &fixture.store;
    for number in 1..=5 {
        let record = NewRecord {
            expires_at_ms: NOW_MS + number,
            ..names.record(&format!("k-{number}"), "body")
        };
        store
            .create(&names.link(number, &format!("link-{number}")), Some(&record))
            .await
            .unwrap();
        let batch = names.clicks(&format!("e-{number}"), &[("acme", number, 1, NOW_MS)]);
        store
            .add_clicks(&ClickBatch {
                counted_at_ms: NOW_MS + number,
                ..batch
            })
            .await
            .unwrap();
    }
    let mut collected = Vec::new();
    while collected.last() != Some(&0) {
        collected.push(store.collect_garbage(NOW_MS + 3, NOW_MS + 3, 2).await.unwrap());
    }
    // Two of each kind, then the third record; or nothing where rows end by themselves.
    assert_eq!(collected, fixture.engine.collects(&[4, 1, 0]));
    let recalled = store.recall(&names.record("k-4", "body").scope, NOW_MS).await;
    assert!(recalled.unwrap().is_some());
    let again = names.clicks("e-3", &[("acme", 3, 1, NOW_MS)]);
    assert!(!store.add_clicks(&again).await.unwrap());
    assert_eq!(
        store.list(&names.tenant("acme"), None, 10).await.unwrap().len(),
        5
    );
}

pub(super) async fn an_event_that_two_consumers_count_at_once_counts_once(fixture: Fixture) {
    let names = fixture.names;
    let stores = [fixture.store.clone(), fixture.another().await];
    for number in 1..=4 {
        let made = names.link(number, &format!("hot-{number}"));
        fixture.store.create(&made, None).await.unwrap();
    }
    let mut copies = tokio::task::JoinSet::new();
    // Enough events that those which are finished are taken out of the rows, each handed to both.
    for number in 0..40 {
        for store in stores.clone() {
            let sums: Vec<_> = (1..=4).map(|link| ("acme", link, 1, NOW_MS + number)).collect();
            let batch = names.clicks(&format!("e-{number}"), &sums);
            copies.spawn(async move { settled(|| store.add_clicks(&batch)).await });
        }
    }
    copies.join_all().await;
    let listed = fixture.store.list(&names.tenant("acme"), None, 10).await.unwrap();
    let counts: Vec<_> = listed
        .iter()
        .map(|link| (link.clicks.count, link.clicks.last_at_ms))
        .collect();
    assert_eq!(counts, [(40, Some(NOW_MS + 39)); 4]);
}
