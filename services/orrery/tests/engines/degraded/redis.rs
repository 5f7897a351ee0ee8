//! Without the shared cache: redirects go on, and the store is read at most twice as often as usual.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use clock::SystemClock;
use http::StatusCode;
use load::{HttpClient, HttpSettings};
use testkit::engines::{self, Kind, OwnEngine};
use testkit::platform::Platform;

use super::{Person, assert_refused, counted, eventually, is_ready_without, is_whole, leads_to, target};
use crate::engines::fleet::{EngineUrls, Fleet};

const LINKS: usize = 40;
const CHANGED: &str = "https://example.com/changed";
/// Between two redirects at a gateway: each link comes round when it is near no more.
const PAUSE: Duration = Duration::from_millis(4);
/// Until the usual rate is known, and how long each stretch of time is watched.
const WARM: Duration = Duration::from_secs(6);
const WATCHED: Duration = Duration::from_secs(4);
/// "As usual" is an average over the last seconds, in which reads come in waves.
const SLACK: f64 = 1.3;
const READS_MORE: f64 = 8.0;

/// Small numbers: a link is read from the store every two seconds, and no more often than that by habit.
const SETTINGS: [(&str, &str); 6] = [
    ("ORRERY_SHORTENER_CACHE_TTL_MS", "2000"),
    ("ORRERY_SHORTENER_CACHE_XFETCH_BETA", "0"),
    ("ORRERY_SHORTENER_SHARED_CACHE_NEAR_TTL_MS", "100"),
    ("ORRERY_SHORTENER_SHARED_CACHE_USUAL_WINDOW_MS", "6000"),
    ("ORRERY_SHORTENER_SHARED_CACHE_ORIGIN_READS_PER_S_MIN", "2"),
    ("ORRERY_SHORTENER_SHARED_CACHE_REFILL_MS", "15000"),
];
const READS_MIN: f64 = 2.0;
/// What the second shortener does with the excess; the first serves it stale.
const REFUSING: [(&str, &str); 1] = [("ORRERY_SHORTENER_SHARED_CACHE_WHEN_LOST", "refuse")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_shared_cache_dead_or_wiped_the_store_is_read_twice_as_often_at_most() {
    let test = "with_the_shared_cache_dead_or_wiped_the_store_is_read_twice_as_often_at_most";
    let _turn = crate::turn::alone().await;
    let Some((mut redis, mut fleet)) = start(test).await else {
        return;
    };
    let people = Person::both(&fleet).await;
    for link in 0..LINKS {
        people[0].make(&alias(link)).await;
    }
    let followers = [0, 1].map(|place| Follower::start(&fleet.gateways[place], place));
    tokio::time::sleep(WARM).await;
    let usual = rates(&fleet).await;
    for follower in &followers {
        assert_eq!(
            follower.refused(),
            0,
            "nothing is refused while everything is there"
        );
    }

    redis.kill();
    for shortener in &fleet.shorteners {
        eventually("it is ready and says what it misses", &fleet, async || {
            is_ready_without(shortener, "cache").await
        })
        .await;
    }
    let dead = rates(&fleet).await;
    assert_eq!(
        followers[0].refused(),
        0,
        "what is beyond the limit is served stale"
    );
    links_are_made_and_changes_refused(&people).await;
    redis.restart().await;
    let wiped = rates(&fleet).await;
    println!(
        "reads of the store a second, of each shortener: usual {usual:?}, dead {dead:?}, wiped {wiped:?}"
    );
    for (place, usual) in usual.into_iter().enumerate() {
        let most = 2.0 * usual.max(READS_MIN / 2.0) * SLACK + READS_MORE / WATCHED.as_secs_f64();
        assert!(usual > 1.0, "shortener {place} hardly reads: {usual}");
        for (when, reads) in [("dead", dead[place]), ("wiped", wiped[place])] {
            assert!(reads <= most, "{when}: {reads} a second, {usual} usual");
        }
    }

    for shortener in &fleet.shorteners {
        eventually("it misses nothing", &fleet, async || is_whole(shortener).await).await;
    }
    let [stale, refusing] = followers;
    let (followed, refused) = stale.end().await;
    // Once Redis answers again, what was remembered before may have been changed by a process that reached it first: then it is
    // read again, within the limit, or refused.
    println!("serving stale: {followed} followed, {refused} refused after the wipe");
    assert!(followed > refused, "most redirects go on");
    let served = counted(
        &fleet.shorteners[0],
        "cache_limited_reads_total",
        "outcome=\"stale\"",
    )
    .await;
    assert!(served > 0.0, "the limit was never reached");
    let (followed, refused) = refusing.end().await;
    println!("refusing: {followed} followed, {refused} refused");
    assert!(followed > 0 && refused > 0, "by choice the excess is refused");
    a_change_is_followed_everywhere(&fleet, &people).await;
    a_start_needs_no_redis(&mut redis, &mut fleet, &people).await;
}

async fn a_start_needs_no_redis(redis: &mut OwnEngine, fleet: &mut Fleet, people: &[Person; 2]) {
    redis.kill();
    fleet.shorteners[0].kill().await;
    fleet.shorteners[0].restart().await;
    let answer = people[0].follow(&alias(1)).await;
    assert!(leads_to(&answer, &target(&alias(1))), "{}", answer.text());
}

async fn links_are_made_and_changes_refused(people: &[Person; 2]) {
    people[0].make("made-without-redis").await;
    for person in people {
        let made = person.follow("made-without-redis").await;
        let is_followed = leads_to(&made, &target("made-without-redis"));
        assert!(
            is_followed || made.status == StatusCode::SERVICE_UNAVAILABLE,
            "{}",
            made.text()
        );
        assert_refused(&person.point(&alias(0), CHANGED).await);
    }
}

async fn a_change_is_followed_everywhere(fleet: &Fleet, people: &[Person; 2]) {
    eventually("links can be changed again", fleet, async || {
        people[0].point(&alias(0), CHANGED).await.status == StatusCode::OK
    })
    .await;
    for person in people {
        eventually("the change is followed", fleet, async || {
            leads_to(&person.follow(&alias(0)).await, CHANGED)
        })
        .await;
    }
}

/// A Redis of its own beside the shared engines, and a fleet on them.
async fn start(test: &str) -> Option<(OwnEngine, Fleet)> {
    let postgres = engines::url(Kind::Postgres, test)?;
    let nats = engines::url(Kind::Nats, test)?;
    let cql = engines::url(Kind::Cql, test)?;
    let redis = OwnEngine::start(Kind::Redis, test).await?;
    let urls = EngineUrls::of(&postgres, &redis.url(), &nats, &cql);
    let fleet = Fleet::start_each(&urls, &SETTINGS, [&[], &REFUSING]).await;
    Some((redis, fleet))
}

fn alias(link: usize) -> String {
    format!("link-{link}")
}

/// How often each shortener reads the store for redirects, watched for a while.
async fn rates(fleet: &Fleet) -> [f64; 2] {
    let clock = SystemClock::shared();
    let began = clock.monotonic();
    let before = reads(fleet).await;
    tokio::time::sleep(WATCHED).await;
    let after = reads(fleet).await;
    let seconds = clock.monotonic().saturating_sub(began).as_secs_f64();
    [0, 1].map(|place| (after[place] - before[place]) / seconds)
}

async fn reads(fleet: &Fleet) -> [f64; 2] {
    let mut reads = [0.0; 2];
    for (place, shortener) in fleet.shorteners.iter().enumerate() {
        let name = "db_client_operation_duration_seconds_count";
        reads[place] = counted(shortener, name, "operation=\"resolve_link\"").await;
    }
    reads
}

/// Follows all links, round and round.
struct Follower {
    over: Arc<AtomicBool>,
    refused: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<u64>,
}

impl Follower {
    fn start(gateway: &Platform, place: usize) -> Self {
        let http = HttpClient::new(&gateway.url(), HttpSettings::default()).expect("a loopback address");
        let (over, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (is_over, count) = (over.clone(), refused.clone());
        // In another order at each gateway, so that neither always comes first.
        let stride = 2 * place + 1;
        let task = tokio::spawn(async move {
            let mut followed = 0;
            for turn in 0.. {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let alias = alias(turn * stride % LINKS);
                let answer = http.get(&format!("/{alias}")).await.expect("an answer");
                if answer.status == StatusCode::FOUND {
                    assert_eq!(answer.header("location"), Some(&*target(&alias)));
                    followed += 1;
                } else {
                    let says_when = answer.header("retry-after").is_some();
                    assert!(
                        answer.status == StatusCode::SERVICE_UNAVAILABLE && says_when,
                        "{answer:?}"
                    );
                    count.fetch_add(1, Ordering::Relaxed);
                }
                tokio::time::sleep(PAUSE).await;
            }
            followed
        });
        Self { over, refused, task }
    }

    fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// How many redirects were answered, and how many refused.
    async fn end(self) -> (u64, u64) {
        self.over.store(true, Ordering::Relaxed);
        let followed = self.task.await.expect("every answer was right");
        (followed, self.refused.load(Ordering::Relaxed))
    }
}
