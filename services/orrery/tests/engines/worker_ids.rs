//! Ids of several processes, one of which sleeps past its lease.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clock::{Clock as _, SystemClock};
use http::{Method, StatusCode};
use ids::Id;
use serde_json::json;
use testkit::platform::Platform;
use tokio::task::JoinSet;

use super::client::Api;
use super::fleet::{EngineUrls, Fleet};
use super::metrics::of_shortener;

/// Long enough to be renewed by a debug build on a busy machine, short enough to be slept past.
const LEASE_MS: &str = "3000";
const CHECK_INTERVAL_MS: &str = "200";
/// The place of the shortener among the roles.
const SHORTENER: u16 = 2;
/// Requests at each shortener that are under way at a time.
const MAKERS_EACH: usize = 4;
/// A process that sleeps answers when it is awake again.
const ANSWER_WITHIN: Duration = Duration::from_mins(2);
/// How long any condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_two_processes_issue_the_same_id_though_one_sleeps_past_its_lease() {
    let test = "no_two_processes_issue_the_same_id_though_one_sleeps_past_its_lease";
    let Some(engines) = EngineUrls::shared(test) else {
        return;
    };
    let _turn = crate::turn::shared().await;
    let lease = [
        ("ORRERY_SHORTENER_LEASE_LEASE_MS", LEASE_MS),
        ("ORRERY_SHORTENER_LEASE_CHECK_INTERVAL_MS", CHECK_INTERVAL_MS),
    ];
    let fleet = Fleet::start_with(&engines, &lease).await;
    let [sleeper, other] = &fleet.shorteners;
    let token = fleet.token("acme").await;
    let makers = Makers::new(&token);
    makers.work_at(sleeper);
    makers.work_at(other);
    let (slept, awake) = (worker(sleeper).await, worker(other).await);
    assert_ne!(slept, awake, "each process has a number of its own");
    makers.until_made_by(slept, 20).await;
    makers.until_made_by(awake, 20).await;

    // Its makers have requests under way all the time, so it falls asleep in the middle of some.
    let lease_over_ms = sleeps_past_its_lease(sleeper).await;
    let third = fleet.third_shortener().await;
    assert_eq!(worker(&third).await, slept, "the newcomer takes over the number");
    let made_before = makers.made_by(slept);
    makers.work_at(&third);
    makers.until_made_by(slept, made_before + 20).await;

    sleeper.signal("CONT").await;
    until("it goes on under another number", async || {
        worker(sleeper).await != slept
    })
    .await;
    let after = worker(sleeper).await;
    assert_ne!(after, awake, "{}", fleet.tails());
    makers.until_made_by(after, 20).await;
    makers.until_made_by(slept, made_before + 100).await;
    let made = makers.stop().await;

    assert!(made.len() >= 160, "{} links were made", made.len());
    let mut first = HashMap::new();
    for (id, url) in &made {
        if let Some(same) = first.insert(id, url) {
            panic!("{id} stands for {same} and for {url}\n{}", fleet.tails());
        }
    }
    // What the two holders of one number made does not even touch in time.
    let of_third = made
        .iter()
        .filter(|(_, url)| url.contains(&third.port_base().to_string()));
    let of_third: Vec<Id> = of_third
        .map(|(id, _)| *id)
        .filter(|id| id.worker() == slept)
        .collect();
    assert!(
        of_third.iter().all(|id| id.timestamp_ms() > lease_over_ms),
        "{of_third:?}"
    );
    println!(
        "{} ids by the numbers {slept} (two processes), {awake} and {after}; the sleeper's lease ended at {lease_over_ms}",
        made.len()
    );
}

/// Stops the process and waits until ids of its lease are past; gives the last time that they may bear.
async fn sleeps_past_its_lease(sleeper: &Platform) -> u64 {
    sleeper.signal("STOP").await;
    // No renewal that it had sent before is recorded later than a lease from now.
    let over_ms = SystemClock.unix_ms() + LEASE_MS.parse::<u64>().unwrap();
    until("its lease is over", async || SystemClock.unix_ms() > over_ms).await;
    over_ms
}

async fn worker(shortener: &Platform) -> u16 {
    let worker = of_shortener(shortener, "lease_worker").await;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 1023"
    )]
    let worker = worker.expect("a shortener tells its number") as u16;
    worker
}

/// Clients that make links without a pause, each at one shortener.
struct Makers {
    token: String,
    over: Arc<AtomicBool>,
    made: Arc<std::sync::Mutex<Vec<(Id, String)>>>,
    tasks: std::sync::Mutex<JoinSet<()>>,
}

impl Makers {
    fn new(token: &str) -> Self {
        Self {
            token: token.to_owned(),
            over: Arc::default(),
            made: Arc::default(),
            tasks: std::sync::Mutex::default(),
        }
    }

    /// Straight at the process: a gateway would take a sleeping one out of its rotation.
    fn work_at(&self, shortener: &Platform) {
        let port = shortener.port_base();
        for maker in 0..MAKERS_EACH {
            let api = Api::with_deadline(&shortener.api_url(SHORTENER), &self.token, ANSWER_WITHIN);
            let (over, made) = (self.over.clone(), self.made.clone());
            self.tasks.lock().unwrap().spawn(async move {
                for wish in 0_u64.. {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    let url = format!("https://example.com/{port}/{maker}/{wish}");
                    let link = json!({ "url": url });
                    let key = format!("{port}-{maker}-{wish}");
                    let (status, link) = api.send(Method::POST, "/v1/links", Some(&link), Some(&key)).await;
                    if status == StatusCode::CREATED {
                        let id = link["id"].as_str().expect("a link has an id");
                        made.lock().unwrap().push((id.parse().unwrap(), url));
                    } else {
                        // A process whose lease is over says so, one that slept too long gives the request up.
                        let busy = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
                        assert!(busy.contains(&status), "{status} {link}");
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            });
        }
    }

    fn made_by(&self, worker: u16) -> usize {
        let made = self.made.lock().unwrap();
        made.iter().filter(|(id, _)| id.worker() == worker).count()
    }

    async fn until_made_by(&self, worker: u16, links: usize) {
        until(
            &format!("{links} links are made under number {worker}"),
            async || self.made_by(worker) >= links,
        )
        .await;
    }

    async fn stop(self) -> Vec<(Id, String)> {
        self.over.store(true, Ordering::Relaxed);
        let tasks = self.tasks.into_inner().unwrap();
        tasks.join_all().await;
        std::mem::take(&mut self.made.lock().unwrap())
    }
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}: not within {PATIENCE:?}");
}
