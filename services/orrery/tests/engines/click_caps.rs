//! A link with a cap, followed through two processes at once: never more often than that, and as often unless a process was killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};
use load::{HttpClient, HttpSettings};
use serde_json::json;
use testkit::platform::Platform;
use tokio::task::JoinSet;

use super::client::Api;
use super::fleet::{EngineUrls, Fleet, SHORTENER};

/// Sessions at each process that follow at the same time.
const READERS_EACH: usize = 32;
/// Slots that a process leases at a time.
const BLOCK_MAX: u64 = 40;
/// Longer than the test: what is given back is given back at the drain.
const IDLE_MS: &str = "600000";
/// How long everybody may take to be refused.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two tries where the answer was neither of the two that end them.
const PAUSE: Duration = Duration::from_millis(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cap_is_reached_by_racing_readers_of_two_processes_and_never_exceeded() {
    let Some(engines) = EngineUrls::shared("a_cap_is_reached_by_racing_readers") else {
        return;
    };
    let _turn = crate::turn::shared().await;
    let block_max = BLOCK_MAX.to_string();
    let settings = [
        ("ORRERY_SHORTENER_CLICK_SLOTS_BLOCK_MAX", block_max.as_str()),
        ("ORRERY_SHORTENER_CLICK_SLOTS_IDLE_MS", IDLE_MS),
    ];
    let mut fleet = Fleet::start_with(&engines, &settings).await;
    let api = Api::new(&fleet.gateways[0].url(), &fleet.token("acme").await);

    let raced = Capped::make(&api, "raced", 1_000).await;
    raced.follow_until_refused(&fleet.shorteners).await;
    assert_eq!((raced.followed(), raced.unknown()), (1_000, 0));
    raced.follow_until_refused(&fleet.shorteners).await;
    assert_eq!(raced.followed(), 1_000, "refused is refused");
    raise(&api, &raced, 1_100).await;
    // Until a process has heard of the new cap it refuses under the old one.
    let reached = async {
        while raced.followed() < 1_100 {
            raced.follow_until_refused(&fleet.shorteners).await;
        }
    };
    let reached = tokio::time::timeout(PATIENCE, reached).await;
    assert!(reached.is_ok(), "{}", fleet.tails());
    raced.follow_until_refused(&fleet.shorteners).await;
    assert_eq!(raced.followed(), 1_100);

    a_process_that_stops_gives_back(&api, &mut fleet).await;
    a_process_that_is_killed_takes_its_block_with_it(&api, &mut fleet).await;
}

async fn a_process_that_stops_gives_back(api: &Api, fleet: &mut Fleet) {
    let link = Capped::make(api, "stopped", 400).await;
    link.follow_some(&fleet.shorteners[0], 3).await;
    assert!(fleet.shorteners[0].terminate().await.success());
    link.follow_until_refused(&fleet.shorteners[1..]).await;
    assert_eq!(link.followed(), 400, "{}", fleet.tails());
    fleet.shorteners[0].restart().await;
    link.follow_until_refused(&fleet.shorteners).await;
    assert_eq!(link.followed(), 400);
}

async fn a_process_that_is_killed_takes_its_block_with_it(api: &Api, fleet: &mut Fleet) {
    let link = Capped::make(api, "killed", 3_000).await;
    let [victim, other] = &mut fleet.shorteners;
    let mut readers = JoinSet::new();
    let dead = Arc::new(AtomicBool::new(false));
    link.read_at(&mut readers, victim, &dead);
    link.read_at(&mut readers, other, &dead);
    link.until_followed(500).await;
    victim.kill().await;
    dead.store(true, Ordering::SeqCst);
    all_end(readers).await;
    victim.restart().await;
    link.follow_until_refused(&fleet.shorteners).await;
    let (followed, unknown) = (link.followed(), link.unknown());
    println!(
        "of 3000 clicks {followed} were answered, {unknown} more were not when their process was killed"
    );
    assert!(followed <= 3_000);
    // A request whose answer was lost may have had its slot.
    assert!(followed + unknown + BLOCK_MAX >= 3_000, "{}", fleet.tails());
}

async fn raise(api: &Api, link: &Capped, cap: u64) {
    let path = format!("/v1/links/{}", link.code);
    let changed = api
        .send(Method::PATCH, &path, Some(&json!({ "max_clicks": cap })), None)
        .await;
    assert_eq!(changed.0, StatusCode::OK, "{}", changed.1);
}

/// A link with a cap, and what its readers saw.
struct Capped {
    code: String,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    followed: AtomicU64,
    unknown: AtomicU64,
}

impl Capped {
    async fn make(api: &Api, alias: &str, cap: u64) -> Self {
        let body = json!({ "url": "https://example.com/", "alias": alias, "max_clicks": cap });
        let made = api.send(Method::POST, "/v1/links", Some(&body), None).await;
        assert_eq!(made.0, StatusCode::CREATED, "{}", made.1);
        Self {
            code: alias.to_owned(),
            seen: Arc::default(),
        }
    }

    fn followed(&self) -> u64 {
        self.seen.followed.load(Ordering::SeqCst)
    }

    fn unknown(&self) -> u64 {
        self.seen.unknown.load(Ordering::SeqCst)
    }

    fn reader(&self, at: &Platform) -> Reader {
        let settings = HttpSettings {
            deadline: Duration::from_secs(15),
            ..HttpSettings::default()
        };
        Reader {
            http: HttpClient::new(&at.api_url(SHORTENER), settings).expect("a loopback address"),
            path: format!("/{}", self.code),
            seen: Arc::clone(&self.seen),
        }
    }

    /// Readers that go on until they are refused, or their process is dead.
    fn read_at(&self, readers: &mut JoinSet<()>, at: &Platform, dead: &Arc<AtomicBool>) {
        let reader = self.reader(at);
        for _ in 0..READERS_EACH {
            readers.spawn(reader.clone().until_refused(Arc::clone(dead)));
        }
    }

    async fn follow_until_refused(&self, at: &[Platform]) {
        let mut readers = JoinSet::new();
        for process in at {
            self.read_at(&mut readers, process, &Arc::default());
        }
        all_end(readers).await;
    }

    async fn follow_some(&self, at: &Platform, count: u64) {
        let (reader, before) = (self.reader(at), self.followed());
        while self.followed() < before + count {
            assert_eq!(reader.follow().await, Some(StatusCode::FOUND));
        }
    }

    async fn until_followed(&self, count: u64) {
        let followed = async {
            while self.followed() < count {
                tokio::time::sleep(PAUSE).await;
            }
        };
        let followed = tokio::time::timeout(PATIENCE, followed).await;
        assert!(followed.is_ok(), "{} of {count} clicks", self.followed());
    }
}

async fn all_end(readers: JoinSet<()>) {
    let ended = tokio::time::timeout(PATIENCE, readers.join_all()).await;
    assert!(ended.is_ok(), "somebody is neither led on nor refused");
}

#[derive(Clone)]
struct Reader {
    http: HttpClient,
    path: String,
    seen: Arc<Seen>,
}

impl Reader {
    async fn until_refused(self, dead: Arc<AtomicBool>) {
        while !dead.load(Ordering::SeqCst) {
            match self.follow().await {
                Some(StatusCode::GONE) => return,
                Some(StatusCode::FOUND) => {}
                // Busy, or dead: then somebody says so.
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn follow(&self) -> Option<StatusCode> {
        match self.http.get(&self.path).await {
            Ok(answer) => {
                if answer.status == StatusCode::FOUND {
                    self.seen.followed.fetch_add(1, Ordering::SeqCst);
                }
                Some(answer.status)
            }
            Err(error) => {
                if error.outcome_is_unknown() {
                    self.seen.unknown.fetch_add(1, Ordering::SeqCst);
                }
                None
            }
        }
    }
}
