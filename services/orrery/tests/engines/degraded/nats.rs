//! Without the stream: redirects go on, and their clicks wait on this machine, bounded, also over the death of who keeps them.

use testkit::engines::{self, Kind, OwnEngine};
use testkit::platform::Platform;

use super::{Person, clicks_that_were, eventually, is_ready_without, is_whole, leads_to, target};
use crate::engines::fleet::{EngineUrls, Fleet};

const FOLLOWS: u64 = 60;
/// Followed at most until a click is dropped.
const FOLLOWS_MAX: u64 = 2_000;

/// The second shortener has room for next to nothing.
const NARROW: [(&str, &str); 2] = [
    ("ORRERY_SHORTENER_CLICKS_SPOOL_EVENTS_MAX", "2"),
    ("ORRERY_SHORTENER_CLICKS_QUEUE_MAX", "8"),
];

/// A NATS server of its own beside the shared engines, and a fleet on them.
async fn start(test: &str) -> Option<(OwnEngine, Fleet)> {
    let postgres = engines::url(Kind::Postgres, test)?;
    let redis = engines::url(Kind::Redis, test)?;
    let cql = engines::url(Kind::Cql, test)?;
    let nats = OwnEngine::start(Kind::Nats, test).await?;
    let urls = EngineUrls::of(&postgres, &redis, &nats.url(), &cql);
    let fleet = Fleet::start_each(&urls, &[], [&[], &NARROW]).await;
    Some((nats, fleet))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_stream_clicks_wait_in_a_bounded_spool_that_outlives_its_process() {
    let test = "without_the_stream_clicks_wait_in_a_bounded_spool_that_outlives_its_process";
    let _turn = crate::turn::shared().await;
    let Some((mut nats, mut fleet)) = start(test).await else {
        return;
    };
    let [here, there] = Person::both(&fleet).await;
    here.make("wide").await;
    here.make("narrow").await;
    follow(&here, "wide", FOLLOWS).await;
    follow(&there, "narrow", 1).await;
    eventually("clicks are counted", &fleet, async || {
        here.clicks("wide").await == FOLLOWS && here.clicks("narrow").await == 1
    })
    .await;

    nats.kill();
    for shortener in &fleet.shorteners {
        eventually("it is ready and says what it misses", &fleet, async || {
            is_ready_without(shortener, "streams").await && is_ready_without(shortener, "leases").await
        })
        .await;
    }
    #[expect(clippy::cast_precision_loss, reason = "a few clicks")]
    let expected = FOLLOWS as f64;
    follow(&here, "wide", FOLLOWS).await;
    eventually("all clicks are in the spool", &fleet, async || {
        clicks_that_were(&fleet.shorteners[0], "spooled").await >= expected
    })
    .await;
    let answered = 1.0 + follow_until_one_is_dropped(&fleet.shorteners[1], &there).await;

    fleet.shorteners[0].kill().await;
    nats.restart().await;
    fleet.shorteners[0].restart().await;
    for shortener in &fleet.shorteners {
        eventually("it misses nothing", &fleet, async || is_whole(shortener).await).await;
    }
    eventually("the spooled clicks are counted", &fleet, async || {
        here.clicks("wide").await >= 2 * FOLLOWS
    })
    .await;

    // What found no room was said to be dropped; the rest waited in spool and memory, and is counted.
    let dropped = clicks_that_were(&fleet.shorteners[1], "dropped").await;
    let kept = clicks_that_were(&fleet.shorteners[1], "recorded").await;
    assert!(
        (dropped + kept - answered).abs() < 0.5,
        "{answered} answered, {kept} kept, {dropped} dropped"
    );
    eventually("what was kept is counted", &fleet, async || {
        is(there.clicks("narrow").await, kept)
    })
    .await;
    // Later clicks arrive behind all that came twice, if anything did.
    follow(&there, "wide", 1).await;
    follow(&there, "narrow", 1).await;
    eventually("later clicks are counted", &fleet, async || {
        here.clicks("wide").await > 2 * FOLLOWS
            && f64::from(u32::try_from(here.clicks("narrow").await).expect("few clicks")) > kept
    })
    .await;
    assert_eq!(here.clicks("wide").await, 2 * FOLLOWS + 1);
    assert!(is(here.clicks("narrow").await, kept + 1.0), "{}", fleet.tails());
    for shortener in &fleet.shorteners {
        assert!(is(0, clicks_that_were(shortener, "lost").await));
    }
}

fn is(clicks: u64, expected: f64) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "a few clicks")]
    let clicks = clicks as f64;
    (clicks - expected).abs() < 0.5
}

async fn follow(person: &Person, alias: &str, times: u64) {
    for turn in 0..times {
        let followed = person.follow(alias).await;
        assert!(leads_to(&followed, &target(alias)), "{turn}: {}", followed.text());
    }
}

/// How many redirects that took.
async fn follow_until_one_is_dropped(shortener: &Platform, person: &Person) -> f64 {
    let mut followed = 0;
    while clicks_that_were(shortener, "dropped").await < 1.0 {
        follow(person, "narrow", 10).await;
        followed += 10;
        assert!(
            followed < FOLLOWS_MAX,
            "a spool for two events and a queue for eight clicks hold them all"
        );
    }
    #[expect(clippy::cast_precision_loss, reason = "a few clicks")]
    let followed = followed as f64;
    followed
}
