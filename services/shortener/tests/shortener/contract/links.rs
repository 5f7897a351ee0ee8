//! Links: made, changed, listed, deleted.

use shortener::store::Created;

use super::*;
use crate::harness::eventually;

pub(super) async fn what_was_written_is_read_the_same_by_every_handle(fixture: Fixture) {
    let lifetimes = [
        Lifetime::Permanent,
        Lifetime::UntilDeleted,
        Lifetime::Until(NOW_MS + 5),
    ];
    for (number, lifetime) in (1..).zip(lifetimes) {
        let tags = Tags::from_store(vec!["ä\"'".to_owned(), "b".to_owned()]);
        let made = Link {
            lifetime,
            tags,
            ..link(number, &format!("code-{number}"))
        };
        assert_eq!(fixture.store.create(&made, None).await.unwrap(), Created::Now);
        for store in [fixture.store.clone(), fixture.another().await] {
            assert_eq!(store.resolve(&made.code).await.unwrap().as_ref(), Some(&made));
            let found = store.find(&made.tenant, &made.code).await.unwrap().unwrap();
            assert_eq!(
                (found.link, found.clicks.count, found.clicks.last_at_ms),
                (made.clone(), 0, None)
            );
        }
    }
    assert_eq!(
        fixture.store.resolve(&code("CODE-1")).await.unwrap(),
        None,
        "codes differ by case"
    );
    assert_eq!(
        fixture.store.list(&tenant("acme"), None, 10).await.unwrap().len(),
        3,
        "also the expired one"
    );
}

pub(super) async fn of_racing_claims_one_wins_and_the_others_write_nothing(fixture: Fixture) {
    let stores = [fixture.store.clone(), fixture.another().await];
    let mut claims = tokio::task::JoinSet::new();
    for number in 1..=100 {
        let store = stores[usize::try_from(number % 2).unwrap()].clone();
        claims.spawn(async move {
            let (link, record) = (link(number, "the-one"), record(&format!("key-{number}"), "body"));
            eventually_answered(|| store.create(&link, Some(&record))).await == Created::Now
        });
    }
    assert_eq!(claims.join_all().await.into_iter().filter(|won| *won).count(), 1);
    let listed = fixture.store.list(&tenant("acme"), None, 100).await.unwrap();
    assert_eq!(listed.len(), 1);
    let mut records = 0;
    for number in 1..=100 {
        let scope = record(&format!("key-{number}"), "body").scope;
        records += usize::from(fixture.store.recall(&scope, NOW_MS).await.unwrap().is_some());
    }
    assert_eq!(records, 1, "a record is written with its effect only");
}

pub(super) async fn an_engine_that_is_lost_says_so_and_works_when_it_is_back(fixture: Fixture) {
    let made = link(1, "kept");
    fixture.store.create(&made, None).await.unwrap();
    let lost = fixture.lost().await;
    let refused = fixture.store.create(&link(2, "refused"), None).await.unwrap_err();
    assert!(refused.retryable(), "{refused}");
    lost.release().await;
    eventually("the store works again", async || {
        fixture.store.create(&link(3, "again"), None).await.is_ok()
    })
    .await;
    assert_eq!(
        fixture.store.resolve(&code("refused")).await.unwrap(),
        None,
        "nothing was written"
    );
    assert_eq!(fixture.store.resolve(&made.code).await.unwrap(), Some(made));
}

pub(super) async fn a_change_is_stored_only_over_the_revision_it_was_made_from(fixture: Fixture) {
    let store = &fixture.store;
    let first = link(1, "changes");
    store.create(&first, None).await.unwrap();
    let second = Link {
        revision: 2,
        lifetime: Lifetime::Permanent,
        updated_at_ms: NOW_MS + 1,
        ..first.clone()
    };
    assert!(store.replace(&second).await.unwrap());
    assert!(
        !store.replace(&second).await.unwrap(),
        "made from a revision that is gone"
    );
    assert_eq!(store.resolve(&first.code).await.unwrap(), Some(second.clone()));
    store.delete(&first.tenant, &first.code).await.unwrap();
    store.create(&link(9, "changes"), None).await.unwrap();
    let other = Link { revision: 2, ..first };
    assert!(
        !store.replace(&other).await.unwrap(),
        "the code is another link's by now"
    );
}

pub(super) async fn tenants_share_nothing(fixture: Fixture) {
    let store = &fixture.store;
    let mine = link(1, "mine");
    store.create(&mine, None).await.unwrap();
    let other = tenant("other");
    assert_eq!(store.find(&other, &mine.code).await.unwrap(), None);
    assert!(store.list(&other, None, 10).await.unwrap().is_empty());
    assert!(!store.delete(&other, &mine.code).await.unwrap());
    assert!(
        !store
            .replace(&Link {
                tenant: other.clone(),
                revision: 2,
                ..mine.clone()
            })
            .await
            .unwrap()
    );
    assert!(
        store
            .add_clicks(&clicks("e1", &[("other", 1, 5, NOW_MS)]))
            .await
            .unwrap()
    );
    let found = store.find(&mine.tenant, &mine.code).await.unwrap().unwrap();
    assert_eq!((found.link, found.clicks.count), (mine, 0));
}

pub(super) async fn paging_is_stable_under_ties_and_concurrent_writes(fixture: Fixture) {
    let store = &fixture.store;
    // All made in the same millisecond: only ids tell their order.
    for number in 1..=50 {
        store
            .create(&link(number * 2, &format!("page-{number}")), None)
            .await
            .unwrap();
    }
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = store.list(&tenant("acme"), before, 7).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.link.id);
        seen.extend(page.iter().map(|counted| counted.link.id.as_u64()));
        // Newer ones come, one that was seen goes.
        let number = 1_001 + seen.len() as u64;
        store
            .create(&link(number, &format!("new-{number}")), None)
            .await
            .unwrap();
        let gone = format!("page-{}", seen[seen.len() - 1] / 2);
        assert!(store.delete(&tenant("acme"), &code(&gone)).await.unwrap());
    }
    let all: Vec<u64> = (1..=50).rev().map(|number| number * 2).collect();
    assert_eq!(seen, all);
}

pub(super) async fn a_deleted_code_is_free_and_its_counts_are_gone(fixture: Fixture) {
    let store = &fixture.store;
    let first = link(1, "reused");
    store.create(&first, None).await.unwrap();
    store
        .add_clicks(&clicks("e1", &[("acme", 1, 3, NOW_MS)]))
        .await
        .unwrap();
    assert!(store.delete(&first.tenant, &first.code).await.unwrap());
    assert!(!store.delete(&first.tenant, &first.code).await.unwrap());
    assert_eq!(store.resolve(&first.code).await.unwrap(), None);
    let second = link(2, "reused");
    assert_eq!(store.create(&second, None).await.unwrap(), Created::Now);
    // A late click on the former link is nobody's.
    assert!(
        store
            .add_clicks(&clicks("e2", &[("acme", 1, 3, NOW_MS)]))
            .await
            .unwrap()
    );
    assert_eq!(
        store
            .find(&second.tenant, &second.code)
            .await
            .unwrap()
            .unwrap()
            .clicks
            .count,
        0
    );
}

pub(super) async fn the_largest_values_fit(fixture: Fixture) {
    let store = &fixture.store;
    let largest = Link {
        id: id((1 << 63) - 1),
        tenant: tenant(&"t".repeat(64)),
        code: code(&"c".repeat(64)),
        target: TargetUrl::from_store(format!("https://example.com/{}", "u".repeat(URL_BYTES_MAX - 20))),
        lifetime: Lifetime::Until(u64::MAX >> 1),
        tags: Tags::from_store(
            (0..10)
                .map(|n| format!("{n}{}", "\u{10ffff}".repeat(49)))
                .collect(),
        ),
        ..link(1, "unused")
    };
    let record = NewRecord {
        scope: RecordScope {
            tenant: largest.tenant.clone(),
            user: User::parse(&"u".repeat(64)).unwrap(),
            key: IdempotencyKey::parse(&"k".repeat(255)).unwrap(),
        },
        ..record("k", "body")
    };
    assert_eq!(store.create(&largest, Some(&record)).await.unwrap(), Created::Now);
    assert_eq!(
        store.recall(&record.scope, NOW_MS).await.unwrap().unwrap().link,
        largest
    );
    let sums = clicks("e", &[("t", 1, 1, 1)]);
    let many = LinkClicks {
        tenant: largest.tenant.clone(),
        link_id: largest.id,
        count: 1 << 40,
        last_at_ms: NOW_MS,
    };
    store
        .add_clicks(&ClickBatch {
            links: vec![many],
            ..sums
        })
        .await
        .unwrap();
    let listed = store.list(&largest.tenant, None, 1).await.unwrap();
    assert_eq!((&listed[0].link, listed[0].clicks.count), (&largest, 1 << 40));
}
