//! What goes wrong between two writes, and who comes too late: the totals are always those of the log.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::MutexGuard;

use clock::SystemClock;
use identity::Tenant;
use ids::Id;
use streams::{Event, Group, Position};
use telemetry::TelemetrySettings;

use super::*;
use crate::clicks::{LinkVisits, VISITS_KIND};
use crate::statistics::{Page, Totals};
use crate::store::statistics::{Day, PageKey, Period, StoredHead, StoredPage, Subject};
use crate::visit::{Kind, Visitor};

const NOW_MS: u64 = 1_795_305_600_000;
const LINKS: u64 = 3;

/// Keeps what it is told, the larger version of each. A put may be cut short, or held back.
#[derive(Default)]
struct Store(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    pages: BTreeMap<PageKey, StoredPage>,
    heads: BTreeMap<u64, StoredHead>,
    /// Pages of the next put that are written before it fails.
    fails_after: Option<usize>,
    /// Whether puts wait instead of being done, and are answered as failed.
    holds_back: bool,
    held_back: Vec<(Vec<StoredPage>, Option<StoredHead>)>,
    read: usize,
}

impl Store {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn land(&self) {
        let late = std::mem::take(&mut self.kept().held_back);
        for (pages, head) in late {
            self.kept().write(&pages, head.as_ref());
        }
    }

    /// Clicks of each link over all lanes, then of the tenant.
    fn totals(&self) -> Vec<u64> {
        let subjects = (1..=LINKS).map(|link| Subject::Link(id(link)));
        let of = |subject| {
            let kept = self.kept();
            let pages = kept.pages.values();
            let own = pages.filter(|page| page.key.subject == subject && page.key.period == Period::AllTime);
            let mut totals = Totals::default();
            for page in own {
                totals.add(&Page::from_stored(page).expect("a page of ours"));
            }
            totals.clicks
        };
        subjects.chain([Subject::Tenant]).map(of).collect()
    }
}

impl Kept {
    fn write(&mut self, pages: &[StoredPage], head: Option<&StoredHead>) {
        for page in pages {
            let kept = self.pages.entry(page.key.clone()).or_insert_with(|| page.clone());
            if page.through > kept.through {
                *kept = page.clone();
            }
        }
        if let Some(head) = head {
            let kept = self
                .heads
                .entry(head.lane.number())
                .or_insert_with(|| head.clone());
            if head.position > kept.position {
                *kept = head.clone();
            }
        }
    }
}

#[async_trait]
impl StatisticsStore for Store {
    async fn head(&self, partition: u8) -> Result<Option<StoredHead>, StoreError> {
        let kept = self.kept();
        let own = kept
            .heads
            .values()
            .rev()
            .find(|head| head.lane.partition == partition);
        Ok(own.cloned())
    }

    async fn pages(&self, keys: &[PageKey]) -> Result<Vec<Option<StoredPage>>, StoreError> {
        let mut kept = self.kept();
        kept.read += keys.len();
        Ok(keys.iter().map(|key| kept.pages.get(key).cloned()).collect())
    }

    async fn put(&self, pages: &[StoredPage], head: Option<&StoredHead>) -> Result<(), StoreError> {
        let mut kept = self.kept();
        if kept.holds_back {
            kept.held_back.push((pages.to_vec(), head.cloned()));
            return Err(StoreError::Unknown("not answered".to_owned()));
        }
        if let Some(written) = kept.fails_after.take() {
            kept.write(&pages[..written.min(pages.len())], None);
            return Err(StoreError::Unknown("cut short".to_owned()));
        }
        kept.write(pages, head);
        Ok(())
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
        unimplemented!()
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

fn id(number: u64) -> Id {
    Id::from_u64(number).expect("an id")
}

/// A process.
fn worker(store: &Arc<Store>) -> ProjectVisits {
    let clock = SystemClock::shared();
    let telemetry = Telemetry::new("project", "test", &TelemetrySettings::default(), clock.clone());
    let telemetry = telemetry.expect("telemetry");
    ProjectVisits {
        store: Arc::<Store>::clone(store),
        clock,
        metrics: Metrics::register(&telemetry),
        telemetry,
        settings: StatisticsSettings::default(),
        time_max: Duration::from_mins(10),
        lanes: Lanes::default(),
    }
}

fn claim(epoch: u64) -> Claim {
    Claim {
        group: Group::new(VISITS, VISITS_GROUP),
        partition: Partition::of("lane-0"),
        epoch,
    }
}

/// Event number `seq` of a producer: `seq` clicks on each link.
fn visits(producer: &str, seq: u64) -> VisitEvent {
    let of_link = |link| LinkVisits {
        tenant: Tenant::parse("acme").expect("a tenant"),
        link: id(link),
        code: format!("link-{link}"),
        from_ms: NOW_MS + seq,
        visits: vec![(0, seq, Visitor(seq), 0)],
    };
    VisitEvent {
        producer: producer.to_owned(),
        lane: 0,
        seq,
        kinds: vec![Kind::default()],
        links: (1..=LINKS).map(of_link).collect(),
        traces: Vec::new(),
    }
}

fn delivery(position: u64, event: &VisitEvent) -> Delivery {
    let event = Event::new(event.id(), "/shortener", VISITS_KIND, event.key(), NOW_MS, event);
    Delivery {
        position: Position(position),
        published_ms: NOW_MS,
        deliveries: 1,
        event: event.expect("an event"),
    }
}

/// The log of one producer: at position n its event n.
fn log(positions: RangeInclusive<u64>) -> Vec<Delivery> {
    positions
        .map(|position| delivery(position, &visits("p", position)))
        .collect()
}

/// What each link has after the events 1 to `last`, and then the tenant.
fn expected(last: u64) -> Vec<u64> {
    let each = last * (last + 1) / 2;
    let mut totals = vec![each; usize::try_from(LINKS).expect("few")];
    totals.push(each * LINKS);
    totals
}

async fn all_done(worker: &ProjectVisits, epoch: u64, batch: &[Delivery]) {
    assert_eq!(worker.handle(&claim(epoch), batch).await, Handled::all(batch));
}

#[tokio::test]
async fn a_put_that_is_cut_short_anywhere_is_made_good_by_this_process_or_the_next() {
    // 2 pages a link and 2 of the tenant, and the head.
    for written in 0..=8 {
        for dies in [false, true] {
            let store = Arc::new(Store::default());
            let first = worker(&store);
            all_done(&first, 1, &log(1..=2)).await;
            store.kept().fails_after = Some(written);
            let cut = first.handle(&claim(1), &log(3..=5)).await;
            assert_eq!(cut.events, 0, "{cut:?}");
            assert!(
                matches!(cut.failure, Some(HandlerError::Unavailable(_))),
                "{cut:?}"
            );
            let (next, epoch) = if dies { (worker(&store), 2) } else { (first, 1) };
            all_done(&next, epoch, &log(3..=6)).await;
            all_done(&next, epoch, &log(7..=7)).await;
            assert_eq!(store.totals(), expected(7), "{written} pages were written");
        }
    }
}

#[tokio::test]
async fn an_event_counts_once_however_often_it_comes() {
    let store = Arc::new(Store::default());
    let first = worker(&store);
    all_done(&first, 1, &log(1..=4)).await;
    // Not acked: to this process, and to another.
    all_done(&first, 1, &log(2..=4)).await;
    all_done(&worker(&store), 2, &log(1..=4)).await;
    // Published again, behind the others.
    let again = [delivery(5, &visits("p", 3)), delivery(6, &visits("p", 5))];
    all_done(&worker(&store), 3, &again).await;
    assert_eq!(store.totals(), expected(5));
}

#[tokio::test]
async fn the_writes_of_whoever_lost_his_claim_do_no_harm_whenever_they_land() {
    for before_the_next_begins in [true, false] {
        let store = Arc::new(Store::default());
        let (zombie, next) = (worker(&store), worker(&store));
        all_done(&zombie, 1, &log(1..=2)).await;
        store.kept().holds_back = true;
        zombie.handle(&claim(1), &log(3..=5)).await;
        store.kept().holds_back = false;
        if before_the_next_begins {
            store.land();
        }
        all_done(&next, 2, &log(3..=4)).await;
        store.land();
        all_done(&next, 2, &log(5..=9)).await;
        assert_eq!(store.totals(), expected(9));
    }
}

#[tokio::test]
async fn what_is_remembered_under_one_claim_is_forgotten_under_the_next() {
    let store = Arc::new(Store::default());
    let (here, there) = (worker(&store), worker(&store));
    all_done(&here, 1, &log(1..=3)).await;
    all_done(&there, 2, &log(4..=6)).await;
    all_done(&here, 3, &log(7..=9)).await;
    assert_eq!(store.totals(), expected(9));
}

#[tokio::test]
async fn a_stream_that_was_replaced_is_counted_beside_the_former_one() {
    let store = Arc::new(Store::default());
    let first = worker(&store);
    all_done(&first, 1, &log(1..=4)).await;
    // The new stream begins with what a spool still had of the old one.
    let replaced = [
        delivery(1, &visits("p", 4)),
        delivery(2, &visits("q", 1)),
        delivery(3, &visits("q", 2)),
    ];
    // In two processes, of which the first dies before it acked.
    all_done(&first, 2, &replaced[..2]).await;
    all_done(&worker(&store), 3, &replaced).await;
    let each = 1 + 2 + 3 + 4 + 1 + 2;
    assert_eq!(store.totals(), [each, each, each, 3 * each]);
    let partition = claim(1).partition.number();
    let head = store.head(partition).await.expect("a head").expect("a head");
    assert_eq!((head.lane.generation, head.position), (1, 3));
}

#[tokio::test]
async fn poison_is_named_and_what_came_before_it_is_stored() {
    let store = Arc::new(Store::default());
    let worker = worker(&store);
    let mut nameless = visits("p", 3);
    nameless.kinds.clear();
    for poison in [
        "{\"no\":\"visits\"}".to_owned(),
        serde_json::to_string(&nameless).expect("JSON"),
    ] {
        let mut batch = log(1..=4);
        batch[2].event.data = poison;
        let handled = worker.handle(&claim(1), &batch).await;
        assert_eq!(handled.events, 2);
        assert!(
            matches!(handled.failure, Some(HandlerError::Poison(_))),
            "{handled:?}"
        );
        assert_eq!(store.totals(), expected(2));
    }
    // Set aside, and once mended published again.
    all_done(&worker, 1, &log(4..=4)).await;
    all_done(&worker, 1, &[delivery(5, &visits("p", 3))]).await;
    assert_eq!(store.totals(), expected(4));
}

#[tokio::test]
async fn the_pages_that_are_remembered_are_bounded_and_those_let_go_are_read_again() {
    let store = Arc::new(Store::default());
    let worker = ProjectVisits {
        settings: StatisticsSettings {
            pages_max: 8,
            ..StatisticsSettings::default()
        },
        ..worker(&store)
    };
    let mut position = 0;
    for seq in 1..=20 {
        let mut batch = Vec::new();
        for offset in 0..5 {
            position += 1;
            let mut event = visits("p", position);
            for (link, number) in event.links.iter_mut().zip(1..) {
                link.link = id(100 * (seq + offset) + number);
            }
            batch.push(delivery(position, &event));
        }
        all_done(&worker, 1, &batch).await;
        let lane = worker.lanes.take(&claim(1)).expect("it is kept");
        assert!(lane.held() <= 8, "{}", lane.held());
        worker.lanes.keep(&claim(1), lane);
    }
    assert_eq!(
        store.totals()[3],
        expected(position)[3],
        "the tenant has all of them"
    );
}

#[tokio::test]
async fn a_batch_that_takes_too_long_is_cut_short_where_it_is_stored() {
    let store = Arc::new(Store::default());
    let worker = ProjectVisits {
        time_max: Duration::ZERO,
        ..worker(&store)
    };
    let batch = log(1..=3);
    for done in 1..=3 {
        let rest = &batch[done - 1..];
        let handled = worker.handle(&claim(1), rest).await;
        let one = Handled {
            events: 1,
            failure: None,
        };
        assert_eq!(handled, one);
        assert_eq!(store.totals(), expected(done as u64));
    }
}

#[tokio::test]
async fn a_page_that_is_remembered_is_not_read_again() {
    let store = Arc::new(Store::default());
    let worker = worker(&store);
    all_done(&worker, 1, &log(1..=1)).await;
    let read = store.kept().read;
    all_done(&worker, 1, &log(2..=9)).await;
    assert_eq!((read, store.kept().read), (8, 8));
}
