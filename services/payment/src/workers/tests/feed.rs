//! The feed follows the ledger: everything once, in order, by one process.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use clock::{Clock, ManualClock, SharedClock};
use leases::{Duty, Leadership, Pace};
use prometheus_client::metrics::gauge::Gauge;
use serde_json::Value;
use streams::{Consumer, ConsumerSettings, Group};

use super::{World, eventually, id, tenant};
use crate::config::FeedSettings;
use crate::ledger::{
    Account, AccountKind, Action, Amount, Command, Direction, JournalKind, Limits, NewAccount,
    NewTransaction, Posting,
};
use crate::store::feed::FeedPlaces;
use crate::store::ledger::{Batch, SharedLedger, SqliteLedger};
use crate::store::{Database, StoreError};
use crate::workers::{FEED_DUTY, FEED_GROUP, FEED_STREAM, FeedLedger, LetGo, STREAM};

const NOON: u64 = 1_800_000_000_000;

#[expect(clippy::struct_field_names, reason = "the port, in a world with a ledger")]
struct Ledger {
    world: World,
    ledger: SharedLedger,
    clock: Arc<ManualClock>,
}

impl Ledger {
    async fn new() -> Self {
        let world = World::on_sqlite("feed")
            .await
            .expect("an embedded engine is always there");
        let Database::Sqlite(sql) = &world.database else {
            unreachable!()
        };
        let ledger: SharedLedger = Arc::new(SqliteLedger::new(sql.clone(), ManualClock::at(NOON)));
        for (account, kind) in [(1, AccountKind::Asset), (2, AccountKind::Liability)] {
            let account = Account {
                tenant: tenant(),
                id: id(account),
                currency: "EUR".parse().unwrap(),
                kind,
                limits: Limits::default(),
                parts: 1,
                name: None,
                metadata: "{}".to_owned(),
                created_at_ms: NOON,
                closed_at_ms: None,
            };
            let new = NewAccount { account, claim: None };
            ledger.create_account(&new, NOON).await.unwrap().unwrap();
        }
        // A second's worth may be published at once; it has passed.
        let clock = ManualClock::at(NOON);
        clock.advance(Duration::from_secs(1));
        Self { world, ledger, clock }
    }

    /// One batch, so one link.
    async fn commit(&self, shard: i16, ids: std::ops::Range<u64>, postings: u64) {
        let posting = |place: u64| Posting {
            account_id: id(1 + place % 2),
            direction: if place.is_multiple_of(2) {
                Direction::Debit
            } else {
                Direction::Credit
            },
            amount: Amount::from_minor(700).unwrap(),
            currency: "EUR".parse().unwrap(),
        };
        let command = |journal| Command {
            tenant: tenant(),
            id: id(journal),
            claim: None,
            details: "{}".to_owned(),
            action: Action::Transact(NewTransaction {
                kind: JournalKind::Transaction,
                postings: (0..postings).map(posting).collect(),
            }),
        };
        let commands = ids.map(command).collect();
        let batch = Batch {
            commands,
            together: false,
            shard,
            now_ms: NOON,
        };
        for answer in self.ledger.commit(&batch).await.unwrap() {
            answer.unwrap();
        }
    }

    fn feed(&self, settings: FeedSettings) -> FeedLedger {
        FeedLedger {
            ledger: Arc::clone(&self.ledger),
            places: FeedPlaces::new(self.world.database.clone()),
            log: Arc::clone(&self.world.log),
            clock: Arc::clone(&self.clock) as SharedClock,
            settings,
            behind: Gauge::default(),
            rest_until: Duration::ZERO,
            rounds: 0,
        }
    }

    async fn lead(&self, holder: &str, now_ms: u64) -> Leadership {
        let store = FeedPlaces::new(self.world.database.clone()).leaderships();
        store
            .try_take(FEED_DUTY, holder, now_ms, 10_000)
            .await
            .unwrap()
            .expect("nobody else leads")
    }

    /// Ids of the journal's rows that the stream has of a shard, and the postings' lines behind each, in order.
    async fn fed(&self, shard: i16) -> Vec<(u64, usize)> {
        let mut fed: Vec<(u64, usize)> = Vec::new();
        for event in self.world.streamed(FEED_STREAM, &format!("ledger/{shard}")).await {
            assert_eq!(
                (event.kind.as_str(), event.source.as_str()),
                ("ledger.committed", "/payment")
            );
            assert!(event.data.len() < 65_536, "{} bytes", event.data.len());
            let data: Value = event.decode().unwrap();
            assert_eq!(data["shard"], shard);
            for row in data["rows"].as_array().unwrap() {
                let id = row["id"].as_str().unwrap().parse().unwrap();
                let entries = row["entries"].as_array().unwrap();
                assert!(entries.iter().all(|entry| entry["amount"] == "700"));
                match fed.last_mut() {
                    Some((last, lines)) if *last == id => {
                        assert!(row.get("details").is_none(), "a row that goes on");
                        *lines += entries.len();
                    }
                    _ => fed.push((id, entries.len())),
                }
            }
        }
        fed
    }
}

/// With a budget that nothing here uses up.
fn unhurt() -> FeedSettings {
    FeedSettings {
        kib_per_s_max: 65_536,
        ..FeedSettings::default()
    }
}

/// Until it rests of itself.
async fn ticked(feed: &mut FeedLedger, leadership: &Leadership) {
    while feed.tick(leadership).await.unwrap() == Pace::Again {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_is_fed_once_in_the_order_of_its_shard() {
    let ledger = Ledger::new().await;
    for batch in 0..30 {
        ledger
            .commit(
                i16::try_from(batch % 2).unwrap(),
                100 + batch * 10..110 + batch * 10,
                2,
            )
            .await;
    }
    // More than one event takes, in rows and in one row's entries.
    ledger.commit(2, 1_000..1_400, 2).await;
    ledger.commit(3, 2_000..2_001, 1_000).await;
    let (mut feed, leadership) = (ledger.feed(unhurt()), ledger.lead("a", NOON).await);
    ticked(&mut feed, &leadership).await;
    assert_eq!(feed.behind.get(), 0);
    let of_shard = |shard: u64| -> Vec<(u64, usize)> {
        let batches = (0..30).filter(move |batch| batch % 2 == shard);
        batches
            .flat_map(|batch| (100 + batch * 10..110 + batch * 10).map(|id| (id, 2)))
            .collect()
    };
    assert_eq!(
        (ledger.fed(0).await, ledger.fed(1).await),
        (of_shard(0), of_shard(1))
    );
    assert_eq!(
        ledger.fed(2).await,
        (1_000..1_400).map(|id| (id, 2)).collect::<Vec<_>>()
    );
    assert_eq!(ledger.fed(3).await, [(2_000, 1_000)]);
    ledger.commit(0, 5_000..5_001, 2).await;
    ticked(&mut feed, &leadership).await;
    assert_eq!(ledger.fed(0).await.last(), Some(&(5_000, 2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_was_overtaken_moves_no_place_and_its_successor_feeds_nothing_twice() {
    let ledger = Ledger::new().await;
    ledger.commit(0, 100..110, 2).await;
    let (mut first, former) = (ledger.feed(unhurt()), ledger.lead("a", NOON).await);
    let successor = ledger.lead("b", NOON + 20_000).await;
    // It publishes, for it does not know; but it is as if it had died then.
    let failed = first.tick(&former).await.unwrap_err();
    assert_eq!(failed.code, "leadership_lost");
    assert_eq!(first.places.all().await.unwrap(), []);
    let mut second = ledger.feed(unhurt());
    ticked(&mut second, &successor).await;
    assert_eq!(second.places.all().await.unwrap(), [(0, 1)]);
    assert_eq!(
        ledger.fed(0).await,
        (100..110).map(|id| (id, 2)).collect::<Vec<_>>()
    );
    // A place never goes back.
    let now_ms = ledger.clock.unix_ms();
    second.places.move_on(&successor, 0, 0, now_ms).await.unwrap();
    assert_eq!(second.places.all().await.unwrap(), [(0, 1)]);
    let late = first.places.move_on(&former, 0, 9, now_ms).await;
    assert!(matches!(late, Err(StoreError::Fenced)), "{late:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_takes_no_more_than_its_share_and_catches_up() {
    let ledger = Ledger::new().await;
    for batch in 0..20 {
        ledger.commit(0, 100 + batch * 100..200 + batch * 100, 2).await;
    }
    let slow = FeedSettings {
        kib_per_s_max: 64,
        ..FeedSettings::default()
    };
    let (mut feed, leadership) = (ledger.feed(slow), ledger.lead("a", NOON).await);
    ticked(&mut feed, &leadership).await;
    let first = ledger.fed(0).await.len();
    assert!((100..2_000).contains(&first), "{first} rows at once");
    assert_eq!(feed.tick(&leadership).await.unwrap(), Pace::Rest);
    assert_eq!(ledger.fed(0).await.len(), first, "it rests");
    for _ in 0..60 {
        ledger.clock.advance(Duration::from_secs(1));
        let now_ms = ledger.clock.unix_ms();
        let store = feed.places.leaderships();
        store.renew(&leadership, now_ms, 10_000).await.unwrap();
        ticked(&mut feed, &leadership).await;
    }
    let ids: BTreeSet<u64> = ledger.fed(0).await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), 2_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_with_little_room_is_waited_for() {
    let ledger = Ledger::new().await;
    ledger.commit(0, 100..101, 2).await;
    ledger.commit(0, 101..102, 2).await;
    let full = FeedSettings {
        stream_events_max: 1,
        ..FeedSettings::default()
    };
    let (mut feed, leadership) = (ledger.feed(full), ledger.lead("a", NOON).await);
    ticked(&mut feed, &leadership).await;
    ledger.commit(0, 102..103, 2).await;
    let refused = feed.tick(&leadership).await.unwrap_err();
    assert_eq!((refused.code, feed.behind.get()), ("feed_no_room", 1));
    assert_eq!(ledger.fed(0).await, [(100, 2), (101, 2)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_ledger_committed_takes_no_room_from_what_payments_tell() {
    let ledger = Ledger::new().await;
    for batch in 0..5 {
        ledger.commit(0, 100 + batch..101 + batch, 2).await;
    }
    let (mut feed, leadership) = (ledger.feed(unhurt()), ledger.lead("a", NOON).await);
    ticked(&mut feed, &leadership).await;
    let log = &ledger.world.log;
    assert_eq!(log.lag(STREAM).await.unwrap().depth, 0);
    assert_eq!(log.lag(FEED_STREAM).await.unwrap().depth, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_reads_along_is_let_go() {
    let ledger = Ledger::new().await;
    ledger.commit(0, 100..101, 2).await;
    let (mut feed, leadership) = (ledger.feed(unhurt()), ledger.lead("a", NOON).await);
    ticked(&mut feed, &leadership).await;
    let log = Arc::clone(&ledger.world.log);
    let group = Group::new(FEED_STREAM, FEED_GROUP);
    let consumer = Consumer::new(Arc::clone(&log), group, ConsumerSettings::default());
    let is_through = eventually("the feed's own group is through", async || {
        let lag = log.lag(FEED_STREAM).await.unwrap();
        lag.groups
            .iter()
            .any(|group| (group.name.as_str(), group.events) == (FEED_GROUP, 0))
    });
    tokio::select! {
        () = consumer.run(Arc::new(LetGo), std::future::pending()) => unreachable!("nobody told it to stop"),
        () = is_through => {}
    }
}
