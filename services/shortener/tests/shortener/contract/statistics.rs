//! Statistics: pages, heads and the keys of visitors' pseudonyms.

use shortener::store::statistics::{
    LaneId, PageKey, Period, StatisticsStore, StoredHead, StoredPage, Subject,
};

use super::*;

const LANE: LaneId = LaneId {
    partition: 3,
    generation: 0,
};

impl Names {
    fn page_key(self, subject: Subject, period: Period) -> PageKey {
        PageKey {
            tenant: self.tenant("acme"),
            subject,
            period,
            lane: LANE,
        }
    }

    /// A page of the first link for a day, or for all time.
    fn page(self, day: u32, through: u64, body: &str) -> StoredPage {
        let period = match day {
            0 => Period::AllTime,
            day => Period::Day(day),
        };
        StoredPage {
            key: self.page_key(Subject::Link(id(1)), period),
            through,
            body: body.as_bytes().to_vec(),
        }
    }

    /// A day that no other case on a shared engine asks the key of.
    fn day(self) -> u32 {
        1_000_000 + (self.number() >> 2)
    }
}

fn head(lane: LaneId, position: u64, body: &str) -> StoredHead {
    StoredHead {
        lane,
        position,
        body: body.as_bytes().to_vec(),
    }
}

/// What a page says.
async fn said(store: &dyn StatisticsStore, page: &StoredPage) -> Option<String> {
    let keys = std::slice::from_ref(&page.key);
    let found = settled(|| store.pages(keys)).await.remove(0);
    found.map(|page| String::from_utf8(page.body).unwrap())
}

pub(super) async fn pages_are_read_as_they_were_put_by_every_handle(fixture: Fixture) {
    let store = fixture.statistics().await;
    let names = fixture.names;
    fixture.store.create(&names.link(1, "one"), None).await.unwrap();
    let tenants = StoredPage {
        key: names.page_key(Subject::Tenant, Period::Day(20_000)),
        ..names.page(20_000, 9, "of the tenant")
    };
    let other_lane = StoredPage {
        key: PageKey {
            lane: LaneId {
                partition: 3,
                generation: 2,
            },
            ..names.page(20_001, 1, "").key
        },
        ..names.page(20_001, 4, "of another generation")
    };
    let put = [
        names.page(0, 7, "of all time"),
        names.page(20_000, 7, "of a day"),
        names.page(20_001, 8, "of the next"),
        other_lane,
        tenants,
    ];
    store.put(&put, None).await.unwrap();
    let absent = names.page(20_002, 1, "").key;
    let keys: Vec<PageKey> = put.iter().map(|page| page.key.clone()).chain([absent]).collect();
    let expected: Vec<_> = put.iter().cloned().map(Some).chain([None]).collect();
    for store in [store, fixture.statistics().await] {
        assert_eq!(store.pages(&keys).await.unwrap(), expected);
        let tenant = names.tenant("acme");
        let link = Subject::Link(id(1));
        let days = store.read(&tenant, link, 0..=20_001).await.unwrap();
        assert_eq!(days, put[1..4], "by day, and without the page for all time");
        assert_eq!(
            store.read(&tenant, link, 20_000..=20_000).await.unwrap(),
            put[1..2]
        );
        let tenants = store
            .read(&tenant, Subject::Tenant, 1..=u32::from(u16::MAX))
            .await;
        assert_eq!(tenants.unwrap(), put[4..]);
        let totals = store
            .totals(&tenant, &[link, Subject::Link(id(2)), Subject::Tenant])
            .await;
        assert_eq!(totals.unwrap(), put[..1]);
        let stranger = names.tenant("other");
        assert!(store.read(&stranger, link, 1..=30_000).await.unwrap().is_empty());
        assert!(store.totals(&stranger, &[link]).await.unwrap().is_empty());
    }
}

pub(super) async fn of_two_versions_the_later_one_stands_whatever_comes_last(fixture: Fixture) {
    let names = fixture.names;
    fixture.store.create(&names.link(1, "one"), None).await.unwrap();
    let store = fixture.statistics().await;
    let (early, late) = (names.page(20_000, 5, "early"), names.page(20_000, 6, "late"));
    let (early_head, late_head) = (head(LANE, 5, "early"), head(LANE, 6, "late"));
    store
        .put(std::slice::from_ref(&early), Some(&early_head))
        .await
        .unwrap();
    store
        .put(std::slice::from_ref(&late), Some(&late_head))
        .await
        .unwrap();
    // Of somebody who lost his claim, or a copy that was long on its way.
    let zombie = fixture.statistics().await;
    zombie
        .put(std::slice::from_ref(&early), Some(&early_head))
        .await
        .unwrap();
    assert_eq!(said(&*store, &late).await.as_deref(), Some("late"));
    assert_eq!(store.head(3).await.unwrap(), Some(late_head.clone()));
    // Again is harmless.
    store
        .put(std::slice::from_ref(&late), Some(&late_head))
        .await
        .unwrap();
    assert_eq!(said(&*store, &late).await.as_deref(), Some("late"));
}

pub(super) async fn the_head_of_a_partition_is_that_of_its_latest_generation(fixture: Fixture) {
    let store = fixture.statistics().await;
    let next = LaneId {
        partition: 3,
        generation: 1,
    };
    let neighbour = LaneId {
        partition: 4,
        generation: 0,
    };
    assert_eq!(store.head(3).await.unwrap(), None);
    store.put(&[], Some(&head(LANE, 900, "before"))).await.unwrap();
    store.put(&[], Some(&head(neighbour, 7, "beside"))).await.unwrap();
    store.put(&[], Some(&head(next, 1, "after"))).await.unwrap();
    // Late, of the stream that was replaced.
    store.put(&[], Some(&head(LANE, 901, "late"))).await.unwrap();
    let other = fixture.statistics().await;
    assert_eq!(other.head(3).await.unwrap(), Some(head(next, 1, "after")));
    assert_eq!(other.head(4).await.unwrap(), Some(head(neighbour, 7, "beside")));
}

pub(super) async fn writers_that_race_leave_the_latest_version_of_each_page(fixture: Fixture) {
    const VERSIONS: u64 = 40;
    let names = fixture.names;
    fixture.store.create(&names.link(1, "one"), None).await.unwrap();
    let stores = [fixture.statistics().await, fixture.statistics().await];
    let mut tasks = tokio::task::JoinSet::new();
    for through in 1..=VERSIONS {
        let store = stores[(through % 2) as usize].clone();
        tasks.spawn(async move {
            let pages: Vec<_> = (20_000..20_010)
                .map(|day| names.page(day, through, &through.to_string()))
                .collect();
            let head = head(LANE, through, &through.to_string());
            settled(|| store.put(&pages, Some(&head))).await;
        });
    }
    tasks.join_all().await;
    let store = fixture.statistics().await;
    for day in 20_000..20_010 {
        let found = said(&*store, &names.page(day, 1, "")).await;
        assert_eq!(found, Some(VERSIONS.to_string()));
    }
    let found = store.head(3).await.unwrap();
    assert_eq!(found, Some(head(LANE, VERSIONS, &VERSIONS.to_string())));
}

pub(super) async fn a_deleted_links_pages_are_gone_and_do_not_come_back(fixture: Fixture) {
    let store = fixture.statistics().await;
    let names = fixture.names;
    let (link, kept) = (names.link(1, "gone"), names.link(2, "kept"));
    for link in [&link, &kept] {
        fixture.store.create(link, None).await.unwrap();
    }
    let kept_page = StoredPage {
        key: names.page_key(Subject::Link(kept.id), Period::AllTime),
        ..names.page(0, 3, "kept")
    };
    let put = [names.page(0, 3, "gone"), names.page(20_000, 3, "gone"), kept_page];
    store.put(&put, None).await.unwrap();
    assert!(fixture.store.delete(&link.tenant, &link.code).await.unwrap());
    // Its last clicks are counted after it went, and its alias is another's by now.
    let again = names.link(3, "gone");
    fixture.store.create(&again, None).await.unwrap();
    let late = [names.page(0, 4, "late"), names.page(20_001, 4, "late")];
    fixture.statistics().await.put(&late, None).await.unwrap();
    let subjects = [link.id, kept.id, again.id].map(Subject::Link);
    let totals = store.totals(&link.tenant, &subjects).await.unwrap();
    assert_eq!(totals, put[2..]);
    let days = store.read(&link.tenant, Subject::Link(link.id), 1..=30_000);
    assert_eq!(days.await.unwrap(), []);
}

pub(super) async fn everybody_gets_the_same_key_of_a_day(fixture: Fixture) {
    let day = fixture.names.day();
    let stores = [fixture.statistics().await, fixture.statistics().await];
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8_u8 {
        let store = stores[usize::from(number % 2)].clone();
        tasks.spawn(async move { settled(|| store.visitor_key(day, [number; 32])).await });
    }
    let keys = tasks.join_all().await;
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    let store = fixture.statistics().await;
    let next = store.visitor_key(day + 1, [9; 32]).await.unwrap();
    assert_eq!(next, [9; 32]);
    store.forget_visitor_keys(day).await.unwrap();
    let again = store.visitor_key(day, [10; 32]).await.unwrap();
    assert_eq!(again, keys[0], "a day's own key stays while it is needed");
}

pub(super) async fn pages_of_old_days_are_collected_and_those_for_all_time_stay(fixture: Fixture) {
    let store = fixture.statistics().await;
    let names = fixture.names;
    fixture.store.create(&names.link(1, "one"), None).await.unwrap();
    let pages: Vec<_> = (0..=5)
        .map(|day| names.page(day * 1_000, 1, "kept for a while"))
        .collect();
    store.put(&pages, None).await.unwrap();
    let mut collected = Vec::new();
    while collected.last() != Some(&0) {
        collected.push(store.collect_pages(4_000, 2).await.unwrap());
    }
    // Three days in steps of two, or nothing where rows end by themselves.
    assert_eq!(collected, fixture.engine.collects(&[2, 1, 0]));
    let all_time = said(&*store, &pages[0]).await;
    assert!(all_time.is_some());
    assert!(said(&*store, &pages[4]).await.is_some());
}

pub(super) async fn the_largest_pages_fit(fixture: Fixture) {
    let store = fixture.statistics().await;
    let names = fixture.names;
    let tenant = names.longest_tenant();
    let page = |day: u32| StoredPage {
        key: PageKey {
            tenant: tenant.clone(),
            subject: Subject::Tenant,
            period: Period::Day(day),
            lane: LaneId {
                partition: 15,
                generation: u32::from(u16::MAX),
            },
        },
        // Beyond any true position, and before the true time in microseconds.
        through: 1 << 50,
        body: vec![b'x'; 64 * 1_024],
    };
    let pages: Vec<_> = (1..=300).map(page).collect();
    store.put(&pages, None).await.unwrap();
    let found = store.read(&tenant, Subject::Tenant, 1..=300).await;
    assert!(
        found.unwrap() == pages,
        "pages of 64 KiB are read as they were put"
    );
    let keys: Vec<_> = pages.iter().map(|page| page.key.clone()).collect();
    let found = store.pages(&keys).await.unwrap();
    assert!(found.into_iter().flatten().eq(pages), "in the order of the keys");
}

pub(super) async fn statistics_say_so_while_the_engine_is_lost_and_go_on_when_it_is_back(fixture: Fixture) {
    let store = fixture.statistics().await;
    let names = fixture.names;
    fixture.store.create(&names.link(1, "one"), None).await.unwrap();
    let (page, head) = (names.page(20_000, 5, "kept"), head(LANE, 5, "kept"));
    let cut = fixture.lost().await;
    let lost = store
        .put(std::slice::from_ref(&page), Some(&head))
        .await
        .unwrap_err();
    assert!(
        lost.retryable() || matches!(lost, StoreError::Unknown(_)),
        "{lost}"
    );
    cut.release().await;
    settled(|| store.put(std::slice::from_ref(&page), Some(&head))).await;
    assert_eq!(said(&*store, &page).await.as_deref(), Some("kept"));
    assert_eq!(store.head(3).await.unwrap(), Some(head));
}

/// What sends each statement about statistics but that which forgets them.
pub(super) async fn put_and_read_some(store: &dyn StatisticsStore, names: Names) {
    let (page, head) = (names.page(20_000, 5, "body"), head(LANE, 5, "head"));
    let key = page.key.clone();
    store.put(std::slice::from_ref(&page), Some(&head)).await.unwrap();
    assert_eq!(
        store.pages(std::slice::from_ref(&key)).await.unwrap(),
        [Some(page.clone())]
    );
    assert_eq!(
        store.read(&key.tenant, key.subject, 1..=30_000).await.unwrap(),
        [page]
    );
    assert_eq!(store.head(3).await.unwrap(), Some(head));
    let day = names.day();
    assert_eq!(store.visitor_key(day, [1; 32]).await.unwrap(), [1; 32]);
}
