//! `orrery up` is killed with SIGKILL again and again under load through the gateway, and restarted each time.
//!
//! What clients did and saw becomes a history; `shared/history` judges it at the end. Clicks are counted twice, by
//! the clients that were answered and by the store.

pub(crate) mod click_count;
pub(crate) mod clients;
mod machine;
pub(crate) mod writer;

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use history::{Kind, linearizable, redirects};
use load::{Arrivals, HttpClient, HttpSettings, Plan, Recorder, Summary};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tempfile::TempDir;
use testkit::platform::{Options, Platform};

use crate::platform::binary;
use click_count::HotLinks;
use clients::Client;
use writer::Writer;

/// Sessions that make, read, change and delete links while the redirects go on.
const WRITERS: u64 = 4;
/// Links that are followed all the time and never changed, so that their clicks can be counted.
const HOT_LINKS: usize = 8;
/// The most that a kill may lose: what was answered within this long before it.
const CLICKS_LOST_MAX: Duration = Duration::from_millis(100);
/// Acknowledged requests that each writer repeats at the very end.
const REPEATS_MAX_EACH: usize = 500;

/// When a redirect is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clicks {
    /// Before its click is appended: the last ones before a kill are lost.
    Quick,
    /// Once its click is in the stream: none is lost.
    Durable,
}

/// How hard the platform is hit.
struct Hits {
    kills: usize,
    redirects_per_second: f64,
}

impl Hits {
    /// Unoptimised code on two cores, shared with the load itself, does not sustain the full rate; the bound on lost
    /// clicks is one of time, and scales with it.
    fn of_this_run(kills: usize) -> Self {
        let nightly = testkit::skips::nightly();
        Self {
            kills: if nightly { 50 } else { kills },
            redirects_per_second: if cfg!(debug_assertions) { 300.0 } else { 2_000.0 },
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_under_load_it_keeps_every_promise() {
    trial(Clicks::Quick, Hits::of_this_run(12)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_it_loses_no_durable_click() {
    let mut hits = Hits::of_this_run(5);
    // A click that is stored though its answer was lost would hide one that was answered and is not: few are under way at a time.
    hits.redirects_per_second /= 3.0;
    trial(Clicks::Durable, hits).await;
}

async fn trial(clicks: Clicks, hits: Hits) {
    let _turn = crate::turn::alone().await;
    let mut trial = Trial::start(clicks, hits).await;
    for kill in 0..trial.hits.kills {
        trial.one_life(kill).await;
    }
    trial.look_at_everything().await;
    trial.judge();
}

/// The platform under trial, and what is known about it from outside.
struct Trial {
    clicks: Clicks,
    hits: Hits,
    platform: Platform,
    recorder: Arc<Recorder<BufWriter<File>>>,
    history: PathBuf,
    /// A folder on the disk that the platform's own is on.
    probe: TempDir,
    token: String,
    hot: Arc<HotLinks>,
    writers: Vec<Writer>,
    rng: StdRng,
}

impl Trial {
    async fn start(clicks: Clicks, hits: Hits) -> Self {
        let durable = (clicks == Clicks::Durable).to_string();
        // The bound on lost clicks is the shortener's own: nobody else on these two cores.
        let options = Options::default()
            .without_console()
            .env("ORRERY_SHORTENER_CLICKS_DURABLE", &durable);
        let platform = Platform::start(binary(), options).await;
        let name = format!("crash-history-{clicks:?}.jsonl").to_lowercase();
        let history = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let file = File::create(&history).expect("the history can be written");
        let recorder = Arc::new(Recorder::new(clock::SystemClock::shared(), BufWriter::new(file)));
        let mut trial = Self {
            token: String::new(),
            hot: Arc::new(HotLinks::default()),
            writers: (1..=WRITERS).map(Writer::new).collect(),
            rng: StdRng::seed_from_u64(7),
            clicks,
            hits,
            platform,
            recorder,
            history,
            probe: tempfile::tempdir().expect("a temporary folder"),
        };
        trial.token = trial.new_token().await;
        let client = trial.client();
        let codes = trial.writers[0].make_links(&client, HOT_LINKS).await;
        trial.hot = Arc::new(HotLinks::of(codes));
        trial
    }

    /// Tokens last 15 minutes at most, a long trial longer.
    async fn new_token(&self) -> String {
        self.platform
            .token("acme", "ada", &["links:read", "links:write"])
            .await
    }

    /// A client with connections of its own: those of the life before are gone with it.
    fn client(&self) -> Client {
        let settings = HttpSettings {
            deadline: Duration::from_secs(10),
            ..HttpSettings::default()
        };
        let http = HttpClient::new(&self.platform.url(), settings).expect("the gateway is on loopback");
        Client::new(http, self.token.clone(), self.recorder.clone())
    }

    async fn one_life(&mut self, kill: usize) {
        if kill > 0 && kill.is_multiple_of(50) {
            self.token = self.new_token().await;
        }
        let life = Duration::from_millis(self.rng.random_range(700..1_500));
        let client = self.client();
        let over = Arc::new(AtomicBool::new(false));
        let writing: Vec<_> = self
            .writers
            .drain(..)
            .map(|writer| tokio::spawn(writer.work(client.clone(), over.clone())))
            .collect();
        let probing = tokio::spawn(machine::longest_stall(self.probe.path().to_owned(), over.clone()));
        let following = tokio::spawn(follow_hot_links(client, self.hot.clone(), self.plan(kill, life)));

        tokio::time::sleep(life).await;
        self.platform.kill().await;
        over.store(true, Ordering::Relaxed);
        let summary = following.await.expect("the redirects ended");
        for writer in writing {
            self.writers.push(writer.await.expect("the writer ended"));
        }
        let stall = probing.await.expect("the probe ended");
        self.platform.restart().await;
        self.count_clicks(kill, stall, &summary).await;
    }

    fn plan(&self, kill: usize, life: Duration) -> Plan {
        Plan {
            arrivals: Arrivals::Constant {
                per_second: self.hits.redirects_per_second,
            },
            seed: kill as u64,
            // A little beyond the kill, so that it comes in the middle of things.
            duration: life + Duration::from_millis(20),
            ..Plan::default()
        }
    }

    async fn count_clicks(&self, kill: usize, stall: Duration, summary: &Summary) {
        let rate = self.hits.redirects_per_second;
        // What the bound takes for granted: a machine on which a sync does not take ages. It is measured beside the platform,
        // never by what the platform does. A click waits for the append before its own, then for its own, so a stall
        // counts twice.
        let lost_max = match self.clicks {
            Clicks::Quick => (rate * (CLICKS_LOST_MAX + 2 * stall).as_secs_f64()).ceil(),
            Clicks::Durable => 0.0,
        };
        let lost = self.hot.lost_in_this_life(&self.client(), lost_max).await;
        println!(
            "kill {}: {lost} clicks ({:.0} ms) lost of at most {lost_max}, machine stalled for {stall:?}; {summary}",
            kill + 1,
            lost / rate * 1_000.0,
        );
        assert!(
            lost <= lost_max,
            "kill {}: {lost} clicks were lost, more than {lost_max}\n{summary}",
            kill + 1
        );
    }

    /// Follows every link that was acknowledged, and repeats what was acknowledged.
    async fn look_at_everything(&mut self) {
        assert!(self.hot.answered() >= 50, "{}", self.hot);
        let client = self.client();
        // Before the writers follow their links, the hot ones among them, once more.
        self.hot.settle(&client).await;
        println!("{}", self.hot);
        self.hot.assert_nothing_counted_twice();
        Writer::all_look_at_everything(&mut self.writers, |_| client.clone(), REPEATS_MAX_EACH).await;
        assert!(
            self.writers.iter().all(Writer::has_settled),
            "with the platform up again, every repeat is answered"
        );
    }

    fn judge(self) {
        let Self {
            hits,
            recorder,
            history,
            writers,
            ..
        } = self;
        let links: usize = writers.iter().map(Writer::links).sum();
        let recorder = Arc::into_inner(recorder).expect("all clients are gone");
        recorder.finish().expect("the history is written");
        let file = File::open(&history).expect("the history is there");
        let operations = history::read(BufReader::new(file)).expect("what was written can be read");
        let count = |kind| {
            operations
                .iter()
                .filter(|operation| operation.kind == kind)
                .count()
        };
        println!(
            "{links} links acknowledged; {} operations judged: {}",
            operations.len(),
            history.display()
        );
        // A trial in which next to nothing happened proves nothing.
        let (links_min, operations_min) = if hits.kills >= 20 { (100, 20) } else { (10, 0) };
        assert!(links >= links_min, "{links} links");
        for kind in [Kind::Claim, Kind::Read, Kind::Write, Kind::Delete, Kind::Redirect] {
            assert!(
                count(kind) >= operations_min,
                "{} operations of {kind:?}",
                count(kind)
            );
        }
        // One process invalidates its own cache before it answers: nothing is stale, not even for a moment.
        for report in [
            redirects::check(&operations, Duration::ZERO),
            linearizable::check(&operations, linearizable::Limits::default()),
        ] {
            assert!(
                report.is_kept(),
                "{report}\nthe whole history is in {}",
                history.display()
            );
            print!("{report}");
        }
    }
}

async fn follow_hot_links(client: Client, hot: Arc<HotLinks>, plan: Plan) -> Summary {
    let clock = clock::SystemClock::shared();
    load::run(plan, &clock, move |arrival| {
        let (client, hot) = (client.clone(), hot.clone());
        async move { hot.follow(&client, arrival.index).await }
    })
    .await
}
