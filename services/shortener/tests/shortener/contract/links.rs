//! Links: made, changed, listed, deleted.

use shortener::link::{PasswordHash, Routing, Rule, Weighted};
use shortener::visit::{Country, Device};

use super::*;

pub(super) async fn what_was_written_is_read_the_same_by_every_handle(fixture: Fixture) {
    let names = fixture.names;
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
            details: if number == 2 {
                every_detail()
            } else {
                Details::default()
            },
            ..names.link(number, &format!("code-{number}"))
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
        fixture.store.resolve(&names.code("CODE-1")).await.unwrap(),
        None,
        "codes differ by case"
    );
    assert_eq!(
        fixture
            .store
            .list(&names.tenant("acme"), None, 10)
            .await
            .unwrap()
            .len(),
        3,
        "also the expired one"
    );
}

pub(super) async fn of_racing_claims_one_wins_and_the_others_write_nothing(fixture: Fixture) {
    let names = fixture.names;
    let stores = [fixture.store.clone(), fixture.another().await];
    let mut claims = tokio::task::JoinSet::new();
    for number in 1..=100 {
        let store = stores[usize::try_from(number % 2).unwrap()].clone();
        claims.spawn(async move {
            let (link, record) = (
                names.link(number, "the-one"),
                names.record(&format!("key-{number}"), "body"),
            );
            eventually_answered(|| store.create(&link, Some(&record))).await == Created::Now
        });
    }
    assert_eq!(claims.join_all().await.into_iter().filter(|won| *won).count(), 1);
    let listed = fixture
        .store
        .list(&names.tenant("acme"), None, 100)
        .await
        .unwrap();
    assert_eq!(listed.len(), 1);
    let mut records = 0;
    for number in 1..=100 {
        let scope = names.record(&format!("key-{number}"), "body").scope;
        records += usize::from(fixture.store.recall(&scope, NOW_MS).await.unwrap().is_some());
    }
    assert_eq!(records, 1, "a record is written with its effect only");
}

pub(super) async fn of_racing_claims_without_keys_one_wins(fixture: Fixture) {
    let names = fixture.names;
    let stores = [fixture.store.clone(), fixture.another().await];
    // Over a free code first, then over what a deleted link left.
    for round in 0..2 {
        let mut claims = tokio::task::JoinSet::new();
        for number in 1..=20 {
            let store = stores[usize::try_from(number % 2).unwrap()].clone();
            let made = names.link(round * 100 + number, "the-one");
            claims.spawn(async move { eventually_answered(|| store.create(&made, None)).await });
        }
        let answers = claims.join_all().await;
        let won = answers.iter().filter(|answer| **answer == Created::Now).count();
        assert_eq!(won, 1);
        let listed = fixture
            .store
            .list(&names.tenant("acme"), None, 100)
            .await
            .unwrap();
        let standing = stores[1].resolve(&names.code("the-one")).await.unwrap().unwrap();
        assert_eq!(
            listed.iter().map(|counted| &counted.link).collect::<Vec<_>>(),
            [&standing]
        );
        assert_eq!(
            stores[1].create(&standing, None).await.unwrap(),
            Created::Now,
            "its answer may have been lost"
        );
        assert!(stores[0].delete(&standing.tenant, &standing.code).await.unwrap());
    }
}

pub(super) async fn of_racing_changes_each_is_made_over_the_one_before(fixture: Fixture) {
    let names = fixture.names;
    let made = names.link(1, "changed");
    fixture.store.create(&made, None).await.unwrap();
    let stores = [fixture.store.clone(), fixture.another().await];
    let mut changes = tokio::task::JoinSet::new();
    for number in 0..20_usize {
        let store = stores[number % 2].clone();
        let code = made.code;
        changes.spawn(async move {
            loop {
                let link = store.resolve(&code).await.unwrap().unwrap();
                let mut tags = link.tags.as_slice().to_vec();
                tags.push(number.to_string());
                let next = Link {
                    tags: Tags::from_store(tags),
                    revision: link.revision + 1,
                    ..link
                };
                if eventually_answered(|| store.replace(&next)).await {
                    return;
                }
            }
        });
    }
    changes.join_all().await;
    let link = fixture.store.resolve(&made.code).await.unwrap().unwrap();
    let mut tags: Vec<usize> = link
        .tags
        .as_slice()
        .iter()
        .map(|tag| tag.parse().unwrap())
        .collect();
    tags.sort_unstable();
    assert_eq!(
        tags,
        (0..20).collect::<Vec<_>>(),
        "no change is lost, none made twice"
    );
    assert_eq!(link.revision, 21);
}

pub(super) async fn of_racing_deletions_at_least_one_is_answered_and_the_code_is_free(fixture: Fixture) {
    let names = fixture.names;
    let made = names.link(1, "deleted");
    fixture.store.create(&made, None).await.unwrap();
    let stores = [fixture.store.clone(), fixture.another().await];
    let mut deletions = tokio::task::JoinSet::new();
    for number in 0..10_usize {
        let (store, made) = (stores[number % 2].clone(), made.clone());
        deletions.spawn(async move { eventually_answered(|| store.delete(&made.tenant, &made.code)).await });
    }
    assert!(deletions.join_all().await.contains(&true));
    for store in &stores {
        assert_eq!(store.resolve(&made.code).await.unwrap(), None);
    }
    let next = fixture.store.create(&names.link(2, "deleted"), None).await;
    assert_eq!(next.unwrap(), Created::Now);
}

pub(super) async fn an_engine_that_is_lost_says_so_and_works_when_it_is_back(fixture: Fixture) {
    let names = fixture.names;
    let made = names.link(1, "kept");
    fixture.store.create(&made, None).await.unwrap();
    let lost = fixture.lost().await;
    let refused = fixture
        .store
        .create(&names.link(2, "refused"), None)
        .await
        .unwrap_err();
    assert!(refused.retryable(), "{refused}");
    lost.release().await;
    eventually("the store works again", async || {
        fixture.store.create(&names.link(3, "again"), None).await.is_ok()
    })
    .await;
    assert_eq!(
        fixture.store.resolve(&names.code("refused")).await.unwrap(),
        None,
        "nothing was written"
    );
    assert_eq!(fixture.store.resolve(&made.code).await.unwrap(), Some(made));
}

pub(super) async fn a_change_is_stored_only_over_the_revision_it_was_made_from(fixture: Fixture) {
    let names = fixture.names;
    let store = &fixture.store;
    let first = names.link(1, "changes");
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
    store.create(&names.link(9, "changes"), None).await.unwrap();
    let other = Link { revision: 2, ..first };
    assert!(
        !store.replace(&other).await.unwrap(),
        "the code is another link's by now"
    );
}

pub(super) async fn tenants_share_nothing(fixture: Fixture) {
    let names = fixture.names;
    let store = &fixture.store;
    let mine = names.link(1, "mine");
    store.create(&mine, None).await.unwrap();
    let other = names.tenant("other");
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
            .add_clicks(&names.clicks("e1", &[("other", 1, 5, NOW_MS)]))
            .await
            .unwrap()
    );
    let found = store.find(&mine.tenant, &mine.code).await.unwrap().unwrap();
    assert_eq!((found.link, found.clicks.count), (mine, 0));
}

pub(super) async fn paging_is_stable_under_ties_and_concurrent_writes(fixture: Fixture) {
    let names = fixture.names;
    let store = &fixture.store;
    // All made in the same millisecond: only ids tell their order.
    for number in 1..=50 {
        store
            .create(&names.link(number * 2, &format!("page-{number}")), None)
            .await
            .unwrap();
    }
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = store.list(&names.tenant("acme"), before, 7).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.link.id);
        seen.extend(page.iter().map(|counted| counted.link.id.as_u64()));
        // Newer ones come, one that was seen goes.
        let number = 1_001 + seen.len() as u64;
        store
            .create(&names.link(number, &format!("new-{number}")), None)
            .await
            .unwrap();
        let gone = format!("page-{}", seen[seen.len() - 1] / 2);
        assert!(
            store
                .delete(&names.tenant("acme"), &names.code(&gone))
                .await
                .unwrap()
        );
    }
    let all: Vec<u64> = (1..=50).rev().map(|number| number * 2).collect();
    assert_eq!(seen, all);
}

pub(super) async fn a_deleted_code_is_free_and_its_counts_are_gone(fixture: Fixture) {
    let names = fixture.names;
    let store = &fixture.store;
    let first = names.link(1, "reused");
    store.create(&first, None).await.unwrap();
    store
        .add_clicks(&names.clicks("e1", &[("acme", 1, 3, NOW_MS)]))
        .await
        .unwrap();
    assert!(store.delete(&first.tenant, &first.code).await.unwrap());
    assert!(!store.delete(&first.tenant, &first.code).await.unwrap());
    assert_eq!(store.resolve(&first.code).await.unwrap(), None);
    let second = names.link(2, "reused");
    assert_eq!(store.create(&second, None).await.unwrap(), Created::Now);
    // A late click on the former link is nobody's.
    assert!(
        store
            .add_clicks(&names.clicks("e2", &[("acme", 1, 3, NOW_MS)]))
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
    let names = fixture.names;
    let store = &fixture.store;
    let largest = Link {
        id: id((1 << 63) - 1),
        tenant: names.longest_tenant(),
        code: names.longest_code(),
        target: TargetUrl::from_store(format!("https://example.com/{}", "u".repeat(URL_BYTES_MAX - 20))),
        lifetime: Lifetime::Until(u64::MAX >> 1),
        tags: Tags::from_store(
            (0..10)
                .map(|n| format!("{n}{}", "\u{10ffff}".repeat(49)))
                .collect(),
        ),
        ..names.link(1, "unused")
    };
    let record = NewRecord {
        scope: RecordScope {
            tenant: largest.tenant.clone(),
            user: User::parse(&"u".repeat(64)).unwrap(),
            key: IdempotencyKey::parse(&"k".repeat(255)).unwrap(),
        },
        ..names.record("k", "body")
    };
    assert_eq!(store.create(&largest, Some(&record)).await.unwrap(), Created::Now);
    assert_eq!(
        store.recall(&record.scope, NOW_MS).await.unwrap().unwrap().link,
        largest
    );
    let sums = names.clicks("e", &[("t", 1, 1, 1)]);
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

fn every_detail() -> Details {
    let to = |path: &str| TargetUrl::from_store(format!("https://example.com/{path}"));
    Details {
        owner: Some(User::parse("ada").unwrap()),
        title: Some("\u{1f680} \"spring\"".to_owned()),
        notes: Some("line\nline".to_owned()),
        archived: true,
        active_from_ms: Some(NOW_MS),
        fallback: Some(to("later")),
        click_cap: Some(u64::MAX >> 1),
        password: Some(PasswordHash(
            "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA".to_owned(),
        )),
        routing: Routing {
            rules: vec![Rule {
                countries: vec![Country::parse("DE").unwrap()],
                devices: vec![Device::Mobile],
                to: to("de"),
            }],
            weighted: vec![Weighted {
                weight: 3,
                to: to("b"),
            }],
        },
        edge_cache_s: Some(60),
    }
}

pub(super) async fn details_change_with_their_link_and_go_with_it(fixture: Fixture) {
    let (names, store) = (fixture.names, &fixture.store);
    let made = names.link(1, "detailed");
    let record = names.record("key", "body");
    let first = Link {
        details: every_detail(),
        ..made.clone()
    };
    assert_eq!(store.create(&first, Some(&record)).await.unwrap(), Created::Now);
    let answer = store.recall(&record.scope, NOW_MS).await.unwrap().unwrap();
    assert_eq!(answer.link, first, "also in the answer to a repeat");
    let changed = Link {
        details: Details {
            title: Some("other".to_owned()),
            ..Details::default()
        },
        revision: 2,
        ..made.clone()
    };
    assert!(store.replace(&changed).await.unwrap());
    assert_eq!(store.resolve(&made.code).await.unwrap(), Some(changed));
    assert!(store.delete(&made.tenant, &made.code).await.unwrap());
    let next = names.link(2, "detailed");
    assert_eq!(store.create(&next, None).await.unwrap(), Created::Now);
    assert_eq!(store.resolve(&made.code).await.unwrap(), Some(next));
}
