//! A commit that outlives its request: the write's outcome is unknown at the deadline, and it lands later.

use std::ops::{Range, RangeInclusive};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cache::{Cache, CacheMetrics, CacheSettings};
use clock::{ManualClock, SystemClock};
use idempotency::{Fingerprint, IdempotencyKey, IdempotencySettings, Idempotent, InFlight};
use identity::{Principal, Scopes, Tenant, User};
use ids::Id;
use leases::{Grant, LeaseError, LeaseSettings, LeaseStore, WorkerLease};
use telemetry::{Telemetry, TelemetrySettings};

use crate::attempts::Attempts;
use crate::codes::CodeAllocator;
use crate::config::SlotSettings;
use crate::error::LinkError;
use crate::link::{Clicks, Code, CountedLink, Link, OwnHosts};
use crate::operations::{BadUrls, ClickSlots, CreateLink, Creator, LinkChange, Links, TenantRules};
use crate::permutation::CodeKey;
use crate::store::domain_rules::{DomainRules, KeptRules};
use crate::store::slots::{CappedLink, HeldSlots, SlotLease, SlotStore};
use crate::store::statistics::{Day, PageKey, StatisticsStore, StoredHead, StoredPage, Subject};
use crate::store::{ClickBatch, Created, LinkStore, NewRecord, Record, RecordScope, StoreError};

const NOW_MS: u64 = 1_795_305_600_000;

/// Keeps one link and one record. The next write may be made late: it is answered with `Unknown`, and lands when told to.
#[derive(Debug, Default)]
struct LateStore(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    link: Option<Link>,
    record: Option<Record>,
    next_is_late: bool,
    late: Option<(Link, Option<Record>)>,
}

impl LateStore {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make_the_next_write_late(&self) {
        self.kept().next_is_late = true;
    }

    fn land(&self) {
        let mut kept = self.kept();
        let (link, record) = kept.late.take().expect("a write is late");
        kept.link = Some(link);
        kept.record = record.or(kept.record.take());
    }

    fn write(&self, link: &Link, record: Option<Record>) -> Result<(), StoreError> {
        let mut kept = self.kept();
        kept.late = Some((link.clone(), record));
        if std::mem::take(&mut kept.next_is_late) {
            return Err(StoreError::Unknown(
                "the deadline passed during the commit".to_owned(),
            ));
        }
        drop(kept);
        self.land();
        Ok(())
    }
}

#[async_trait]
impl LinkStore for LateStore {
    async fn create(&self, link: &Link, record: Option<&NewRecord>) -> Result<Created, StoreError> {
        let record = record.map(|record| Record {
            fingerprint: record.fingerprint,
            link: link.clone(),
        });
        self.write(link, record).map(|()| Created::Now)
    }

    async fn recall(&self, _: &RecordScope, _: u64) -> Result<Option<Record>, StoreError> {
        Ok(self.kept().record.clone())
    }

    async fn resolve(&self, _: &Code) -> Result<Option<Link>, StoreError> {
        Ok(self.kept().link.clone())
    }

    async fn find(&self, _: &Tenant, _: &Code) -> Result<Option<CountedLink>, StoreError> {
        Ok(self.kept().link.clone().map(|link| CountedLink {
            link,
            clicks: Clicks::default(),
        }))
    }

    async fn replace(&self, link: &Link) -> Result<bool, StoreError> {
        self.write(link, None).map(|()| true)
    }

    async fn list(&self, _: &Tenant, _: Option<Id>, _: u32) -> Result<Vec<CountedLink>, StoreError> {
        unreachable!("nothing is listed")
    }

    async fn delete(&self, _: &Tenant, _: &Code) -> Result<bool, StoreError> {
        unreachable!("nothing is deleted")
    }

    async fn lease_counters(&self, _: u64, _: u64) -> Result<Range<u64>, StoreError> {
        unreachable!("the link has an alias")
    }

    async fn key_fingerprint(&self) -> Result<Option<String>, StoreError> {
        unreachable!("no key is opened")
    }

    async fn pin_key_fingerprint(&self, _: &str) -> Result<String, StoreError> {
        unreachable!("no key is opened")
    }

    async fn add_clicks(&self, _: &ClickBatch) -> Result<bool, StoreError> {
        unreachable!("nothing is counted")
    }

    async fn collect_garbage(&self, _: u64, _: u64, _: u32) -> Result<u64, StoreError> {
        unreachable!("nothing is collected")
    }
}

/// The only slot, which nobody else wants.
#[derive(Debug)]
struct OneSlot;

#[async_trait]
impl LeaseStore for OneSlot {
    async fn acquire(&self, _: &str, now_ms: u64, issue_until_ms: u64) -> Result<Grant, LeaseError> {
        Ok(Grant {
            slot: 0,
            epoch: 1,
            issue_from_ms: now_ms - 1,
            issue_until_ms,
        })
    }

    async fn renew(&self, _: &Grant, issue_until_ms: u64) -> Result<u64, LeaseError> {
        Ok(issue_until_ms)
    }

    async fn release(&self, _: &Grant, _: u64) -> Result<(), LeaseError> {
        Ok(())
    }
}

/// No link has a cap.
struct NoSlots;

#[async_trait]
impl SlotStore for NoSlots {
    async fn hold_slots(
        &self,
        _: &CappedLink,
        _: SlotLease,
        _: u64,
        _: u64,
    ) -> Result<HeldSlots, StoreError> {
        unimplemented!()
    }

    async fn end_lease(&self, _: &Tenant, _: Id, _: SlotLease, _: u64) -> Result<(), StoreError> {
        unimplemented!()
    }

    async fn forget_slots(&self, _: &Tenant, _: Id) -> Result<(), StoreError> {
        unimplemented!()
    }
}

/// Every domain is allowed.
struct NoRules;

#[async_trait]
impl DomainRules for NoRules {
    async fn domain_rules(&self, _: &Tenant) -> Result<KeptRules, StoreError> {
        Ok(KeptRules::default())
    }

    async fn replace_domain_rules(&self, _: &Tenant, _: &KeptRules) -> Result<bool, StoreError> {
        unimplemented!()
    }
}

/// Nothing was ever followed.
struct NoStatistics;

#[async_trait]
impl StatisticsStore for NoStatistics {
    async fn head(&self, _: u8) -> Result<Option<StoredHead>, StoreError> {
        unimplemented!()
    }

    async fn pages(&self, _: &[PageKey]) -> Result<Vec<Option<StoredPage>>, StoreError> {
        unimplemented!()
    }

    async fn put(&self, _: &[StoredPage], _: Option<&StoredHead>) -> Result<(), StoreError> {
        unimplemented!()
    }

    async fn read(
        &self,
        _: &Tenant,
        _: Subject,
        _: RangeInclusive<Day>,
    ) -> Result<Vec<StoredPage>, StoreError> {
        unimplemented!()
    }

    async fn totals(&self, _: &Tenant, _: &[Subject]) -> Result<Vec<StoredPage>, StoreError> {
        Ok(Vec::new())
    }

    async fn visitor_key(&self, _: Day, _: [u8; 32]) -> Result<[u8; 32], StoreError> {
        unimplemented!()
    }

    async fn forget_visitor_keys(&self, _: Day) -> Result<(), StoreError> {
        unimplemented!()
    }

    async fn collect_pages(&self, _: Day, _: u32) -> Result<u64, StoreError> {
        unimplemented!()
    }
}

async fn links(store: &Arc<LateStore>) -> Links {
    let clock = ManualClock::at(NOW_MS);
    let telemetry =
        Telemetry::new("late", "test", &TelemetrySettings::default(), clock.clone()).expect("telemetry");
    let (slot, settings) = (Arc::new(OneSlot), LeaseSettings::default());
    let lease = WorkerLease::acquire(slot, clock.clone(), settings, "late", &telemetry);
    let store: Arc<dyn LinkStore> = store.clone();
    Links {
        store: Arc::clone(&store),
        destinations: Cache::new(
            "destinations",
            &CacheSettings::default(),
            clock.clone(),
            &CacheMetrics::default(),
        ),
        codes: CodeAllocator::new(store, &CodeKey::generate(), 1),
        ids: lease.await.expect("a slot").ids(),
        clock: clock.clone(),
        limits: crate::Settings::default()
            .limits()
            .expect("the defaults are good"),
        own_hosts: OwnHosts::new(),
        rules: TenantRules::new(
            Arc::new(NoRules),
            1_000,
            10,
            clock.clone(),
            &CacheMetrics::default(),
        ),
        bad_urls: BadUrls::default(),
        in_flight: InFlight::new(IdempotencySettings::default()),
        passwords: crate::Settings::default()
            .passwords()
            .expect("the defaults are good"),
        attempts: Attempts::new(
            &crate::Settings::default().passwords,
            [0; 32],
            None,
            SystemClock::shared(),
            &telemetry,
        ),
        statistics: Arc::new(NoStatistics),
        slots: Arc::new(ClickSlots::new(Arc::new(NoSlots), clock, SlotSettings::default())),
    }
}

fn by(key: Option<&str>) -> Creator {
    let of_key = |key| Idempotent::new(key, Fingerprint::of("POST", "/v1/links", b"{}"));
    Creator {
        principal: Principal {
            tenant: Tenant::parse("acme").expect("a tenant"),
            user: User::parse("ada").expect("a user"),
            scopes: Scopes::parse("links:write").expect("scopes"),
        },
        idempotent: key.map(|key| of_key(IdempotencyKey::parse(key).expect("a key"))),
    }
}

fn asked(url: &str) -> CreateLink {
    CreateLink {
        url: url.to_owned(),
        alias: Some("late".to_owned()),
        ..CreateLink::default()
    }
}

async fn location(links: &Links, code: &Code) -> String {
    let destination = links.follow_link(code).await.expect("it leads somewhere");
    destination.location.to_str().expect("ASCII").to_owned()
}

#[tokio::test]
async fn an_acknowledged_link_leads_somewhere_though_its_commit_came_after_its_first_request() {
    let store = Arc::new(LateStore::default());
    let (links, code) = (links(&store).await, Code::parse("late").unwrap());
    store.make_the_next_write_late();
    let by = by(Some("k1"));
    let first = links.create_link(&by, asked("https://example.com/")).await;
    assert!(matches!(first, Err(LinkError::Store(StoreError::Unknown(_)))));
    let looked = links.follow_link(&code).await;
    assert!(
        matches!(looked, Err(LinkError::NotFound)),
        "and that is remembered"
    );
    store.land();
    let repeated = links.create_link(&by, asked("https://example.com/")).await;
    assert!(repeated.unwrap().is_replay());
    assert_eq!(location(&links, &code).await, "https://example.com/");
}

#[tokio::test]
async fn an_acknowledged_change_is_followed_though_its_commit_came_after_its_first_request() {
    let store = Arc::new(LateStore::default());
    let (links, code) = (links(&store).await, Code::parse("late").unwrap());
    let by = by(None);
    links
        .create_link(&by, asked("https://old.example/"))
        .await
        .unwrap();
    store.make_the_next_write_late();
    let change = LinkChange {
        url: Some("https://new.example/".to_owned()),
        ..LinkChange::default()
    };
    let tenant = &by.principal.tenant;
    let first = links.update_link(tenant, &code, &change).await;
    assert!(matches!(first, Err(LinkError::Store(StoreError::Unknown(_)))));
    assert_eq!(
        location(&links, &code).await,
        "https://old.example/",
        "and remembered"
    );
    store.land();
    links.update_link(tenant, &code, &change).await.unwrap();
    assert_eq!(location(&links, &code).await, "https://new.example/");
}
