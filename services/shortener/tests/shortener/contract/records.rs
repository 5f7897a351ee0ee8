//! Idempotency records, and writes whose outcome was not seen.

use super::*;

pub(super) async fn a_replayed_key_answers_the_same_and_writes_nothing(fixture: Fixture) {
    let names = fixture.names;
    let (first, record_one) = (names.link(1, "first"), names.record("k", "body"));
    assert_eq!(
        fixture.store.create(&first, Some(&record_one)).await.unwrap(),
        Created::Now
    );
    fixture.store.delete(&first.tenant, &first.code).await.unwrap();
    for store in [fixture.store.clone(), fixture.another().await] {
        let again = store
            .create(&names.link(2, "second"), Some(&names.record("k", "other body")))
            .await
            .unwrap();
        let Created::Before(before) = again else {
            panic!("{again:?}")
        };
        assert_eq!(
            (before.fingerprint, before.link),
            (record_one.fingerprint, first.clone())
        );
        assert_eq!(store.resolve(&names.code("second")).await.unwrap(), None);
    }
    let mut scope = record_one.scope.clone();
    assert!(fixture.store.recall(&scope, NOW_MS).await.unwrap().is_some());
    scope.user = User::parse("bob").unwrap();
    assert!(fixture.store.recall(&scope, NOW_MS).await.unwrap().is_none());
    scope = RecordScope {
        tenant: names.tenant("other"),
        ..record_one.scope
    };
    assert!(fixture.store.recall(&scope, NOW_MS).await.unwrap().is_none());
}

pub(super) async fn racing_copies_of_a_key_have_one_effect_also_across_processes(fixture: Fixture) {
    let names = fixture.names;
    let stores = [fixture.store.clone(), fixture.another().await];
    let mut copies = tokio::task::JoinSet::new();
    for number in 1..=40 {
        let store = stores[usize::try_from(number % 2).unwrap()].clone();
        copies.spawn(async move {
            let (made, record) = (
                names.link(number, &format!("copy-{number}")),
                names.record("k", "body"),
            );
            match eventually_answered(|| store.create(&made, Some(&record))).await {
                Created::Now => made,
                Created::Before(first) => first.link,
                Created::Taken => panic!("each copy brings a code of its own"),
            }
        });
    }
    let answers = copies.join_all().await;
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(
        fixture
            .store
            .list(&names.tenant("acme"), None, 100)
            .await
            .unwrap()
            .len(),
        1
    );
}

pub(super) async fn a_refused_claim_leaves_its_key_free_for_another(fixture: Fixture) {
    let names = fixture.names;
    let store = &fixture.store;
    store.create(&names.link(1, "taken"), None).await.unwrap();
    let record = names.record("k", "body");
    for number in 2..=3 {
        let refused = store.create(&names.link(number, "taken"), Some(&record)).await;
        assert_eq!(refused.unwrap(), Created::Taken);
        assert_eq!(store.recall(&record.scope, NOW_MS).await.unwrap(), None);
    }
    let other = names.link(4, "free");
    let record = names.record("k", "another body");
    let store = fixture.another().await;
    assert_eq!(store.create(&other, Some(&record)).await.unwrap(), Created::Now);
    let recalled = store.recall(&record.scope, NOW_MS).await.unwrap().unwrap();
    assert_eq!((recalled.fingerprint, recalled.link), (record.fingerprint, other));
    assert_eq!(
        store.list(&names.tenant("acme"), None, 10).await.unwrap().len(),
        2
    );
}

pub(super) async fn a_late_create_does_not_bring_a_deleted_link_back(fixture: Fixture) {
    let names = fixture.names;
    let (made, record) = (names.link(1, "late"), names.record("k", "body"));
    let store = &fixture.store;
    store.create(&made, Some(&record)).await.unwrap();
    store.delete(&made.tenant, &made.code).await.unwrap();
    let late = fixture
        .another()
        .await
        .create(&made, Some(&record))
        .await
        .unwrap();
    assert!(matches!(late, Created::Before(_)), "{late:?}");
    assert_eq!(store.resolve(&made.code).await.unwrap(), None);
    let next = names.link(2, "late");
    assert_eq!(store.create(&next, None).await.unwrap(), Created::Now);
    store.create(&made, Some(&record)).await.unwrap();
    assert_eq!(store.resolve(&made.code).await.unwrap(), Some(next));
}

pub(super) async fn a_record_ends_with_its_time(fixture: Fixture) {
    let names = fixture.names;
    let store = &fixture.store;
    store
        .create(&names.link(1, "first"), Some(&names.record("k", "body")))
        .await
        .unwrap();
    let scope = names.record("k", "body").scope;
    assert!(store.recall(&scope, NOW_MS + DAY_MS - 1).await.unwrap().is_some());
    assert!(store.recall(&scope, NOW_MS + DAY_MS).await.unwrap().is_none());
    let later = Link {
        created_at_ms: NOW_MS + DAY_MS,
        ..names.link(2, "second")
    };
    let renewed = NewRecord {
        asked_at_ms: NOW_MS + DAY_MS,
        expires_at_ms: NOW_MS + 2 * DAY_MS,
        ..names.record("k", "other")
    };
    assert_eq!(store.create(&later, Some(&renewed)).await.unwrap(), Created::Now);
    assert_eq!(
        store.recall(&scope, NOW_MS + DAY_MS).await.unwrap().unwrap().link,
        later
    );
}

pub(super) async fn a_dropped_write_leaves_all_or_nothing(fixture: Fixture) {
    let names = fixture.names;
    for number in 1..=60 {
        let (made, record) = (
            names.link(number, &format!("drop-{number}")),
            names.record(&format!("k-{number}"), "body"),
        );
        let patience = std::time::Duration::from_micros(number * 40);
        let _ = tokio::time::timeout(patience, fixture.store.create(&made, Some(&record))).await;
        // Whatever became of it, the same key settles it: one link, one answer.
        let settled = eventually_answered(|| fixture.store.create(&made, Some(&record))).await;
        match settled {
            Created::Now => {}
            Created::Before(first) => assert_eq!(first.link, made),
            Created::Taken => panic!("the link stood without its record"),
        }
        assert_eq!(fixture.store.resolve(&made.code).await.unwrap(), Some(made));
    }
    assert_eq!(
        fixture
            .store
            .list(&names.tenant("acme"), None, 100)
            .await
            .unwrap()
            .len(),
        60
    );
}
