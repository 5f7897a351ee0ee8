//! Many links in one call, and counters that are skipped.

use shortener::store::NewLink;

use super::*;

fn new(link: Link, record: Option<NewRecord>) -> NewLink {
    NewLink { link, record }
}

pub(super) async fn each_link_of_a_batch_has_an_outcome_of_its_own(fixture: Fixture) {
    let (store, names) = (&fixture.store, fixture.names);
    let (taken, recorded) = (names.link(1, "taken"), names.record("k-1", "body"));
    store.create(&taken, None).await.unwrap();
    let first = names.link(2, "first");
    let answer = Record {
        fingerprint: recorded.fingerprint,
        link: first.clone(),
    };
    store.create(&first, Some(&recorded)).await.unwrap();
    let batch = [
        new(names.link(3, "plain"), None),
        new(names.link(4, "taken"), None),
        new(names.link(5, "keyed"), Some(names.record("k-2", "body"))),
        new(names.link(6, "again"), Some(recorded)),
        new(names.link(7, "taken-too"), Some(names.record("k-3", "body"))),
        new(first.clone(), None),
    ];
    let outcomes: Vec<Created> = store
        .create_many(&batch)
        .await
        .into_iter()
        .map(|outcome| outcome.unwrap())
        .collect();
    let expected = [
        Created::Now,
        Created::Taken,
        Created::Now,
        Created::Before(Box::new(answer)),
        Created::Now,
        Created::Now,
    ];
    assert_eq!(outcomes, expected);
    let other = fixture.another().await;
    let codes = ["taken", "first", "plain", "keyed", "taken-too"];
    for code in codes {
        assert!(
            other.resolve(&names.code(code)).await.unwrap().is_some(),
            "{code}"
        );
    }
    assert_eq!(other.resolve(&names.code("again")).await.unwrap(), None);
    let listed = other.list(&names.tenant("acme"), None, 100).await.unwrap();
    assert_eq!(listed.len(), codes.len());
    for key in ["k-2", "k-3"] {
        let scope = names.record(key, "body").scope;
        assert!(other.recall(&scope, NOW_MS).await.unwrap().is_some(), "{key}");
    }
}

pub(super) async fn of_racing_batches_each_code_is_won_once(fixture: Fixture) {
    let names = fixture.names;
    let mut batches = tokio::task::JoinSet::new();
    for number in 0..4 {
        let store = if number % 2 == 0 {
            fixture.store.clone()
        } else {
            fixture.another().await
        };
        batches.spawn(async move {
            let link = |place: u64| names.link(number * 100 + place, &format!("code-{place}"));
            let batch: Vec<NewLink> = (0..20).map(|place| new(link(place), None)).collect();
            let mut won = 0;
            for (new, outcome) in batch.iter().zip(store.create_many(&batch).await) {
                let outcome = match outcome {
                    Ok(outcome) => outcome,
                    Err(_) => settled(|| store.create(&new.link, None)).await,
                };
                won += usize::from(outcome == Created::Now);
            }
            won
        });
    }
    assert_eq!(batches.join_all().await.iter().sum::<usize>(), 20);
    let listed = fixture
        .store
        .list(&names.tenant("acme"), None, 100)
        .await
        .unwrap();
    assert_eq!(listed.len(), 20);
}

pub(super) async fn a_batch_fails_with_its_engine_and_may_be_repeated(fixture: Fixture) {
    let names = fixture.names;
    let link = |place: u64| new(names.link(place, &format!("code-{place}")), None);
    let batch: Vec<NewLink> = (1..=5).map(link).collect();
    let cut = fixture.lost().await;
    let outcomes = fixture.store.create_many(&batch).await;
    assert!(
        outcomes.len() == 5 && outcomes.iter().all(Result::is_err),
        "{outcomes:?}"
    );
    cut.release().await;
    for new in &batch {
        assert_eq!(
            settled(|| fixture.store.create(&new.link, None)).await,
            Created::Now
        );
    }
}

pub(super) async fn leasing_no_counters_tells_where_they_stand(fixture: Fixture) {
    let store = &fixture.store;
    assert_eq!(store.lease_counters(0, 100).await.unwrap(), 0..0);
    assert_eq!(store.lease_counters(7, 100).await.unwrap(), 0..7);
    assert_eq!(store.lease_counters(0, 100).await.unwrap(), 7..7);
    assert_eq!(
        fixture.another().await.lease_counters(1, 100).await.unwrap(),
        7..8
    );
}
