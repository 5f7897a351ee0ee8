//! Every process and every engine is killed with SIGKILL in turn, under load through both gateways, and started again on what
//! it left behind. Whoever is left goes on meanwhile.
//!
//! The sessions, the history and its judges are those of the embedded platform's own trial; only what dies is another.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use history::{Kind as Operation, linearizable, redirects};
use load::{Arrivals, HttpClient, HttpSettings, Plan, Recorder};
use testkit::engines::{Kind, OwnEngine};
use testkit::platform::Platform;

use super::fleet::{EngineUrls, Fleet};
use crate::shortener::crash::click_count::HotLinks;
use crate::shortener::crash::clients::Client;
use crate::shortener::crash::writer::Writer;

/// Sessions that make, read, change and delete links, half of them at each gateway.
const WRITERS: u64 = 4;
/// Links that are followed all the time and never changed, so that their clicks can be counted.
const HOT_LINKS: usize = 4;
const REDIRECTS_PER_SECOND: f64 = 100.0;
/// How long all work before one dies, and how long the others go on without it.
const BEFORE: Duration = Duration::from_secs(1);
const WITHOUT: Duration = Duration::from_millis(1_500);
/// How long it may take until everything is ready again, a CQL server's start included.
const BACK_WITHIN: Duration = Duration::from_secs(90);
/// An acknowledged change is followed everywhere after this at the latest.
const STALENESS: Duration = Duration::from_secs(1);
/// The most clicks that killing a shortener may lose: what was answered within this long before it, a slow sync included.
const CLICKS_LOST_MAX: Duration = Duration::from_millis(300);
/// Acknowledged requests that each writer repeats at the very end.
const REPEATS_MAX_EACH: usize = 100;

/// What can die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Issuer,
    Shortener(usize),
    Gateway(usize),
    Engine(usize),
}

const VICTIMS: [Victim; 9] = [
    Victim::Shortener(0),
    Victim::Gateway(0),
    Victim::Engine(0),
    Victim::Shortener(1),
    Victim::Engine(1),
    Victim::Issuer,
    Victim::Gateway(1),
    Victim::Engine(2),
    Victim::Engine(3),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_of_the_fleet_is_killed_under_load_every_promise_is_kept() {
    let test = "whoever_of_the_fleet_is_killed_under_load_every_promise_is_kept";
    let _turn = crate::turn::alone().await;
    let Some(mut trial) = Trial::start(test).await else {
        return;
    };
    let rounds = if testkit::skips::nightly() { 10 } else { 1 };
    for round in 0..rounds {
        for victim in VICTIMS {
            trial.without(round, victim).await;
        }
    }
    trial.look_at_everything().await;
    trial.judge();
}

struct Trial {
    fleet: Fleet,
    engines: Vec<OwnEngine>,
    recorder: Arc<Recorder<BufWriter<File>>>,
    history: PathBuf,
    token: String,
    hot: Arc<HotLinks>,
    writers: Vec<Writer>,
    shorteners_killed: u32,
}

impl Trial {
    async fn start(test: &str) -> Option<Self> {
        let mut engines = Vec::new();
        for kind in [Kind::Postgres, Kind::Redis, Kind::Nats, Kind::Cql] {
            engines.push(OwnEngine::start(kind, test).await?);
        }
        let [postgres, redis, nats, cql] = &engines[..] else {
            unreachable!("four were started");
        };
        let urls = EngineUrls::of(&postgres.url(), &redis.url(), &nats.url(), &cql.url());
        let fleet = Fleet::start(&urls).await;
        let history = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fleet-history.jsonl");
        let file = File::create(&history).expect("the history can be written");
        let mut trial = Self {
            token: fleet.token("acme").await,
            fleet,
            engines,
            recorder: Arc::new(Recorder::new(clock::SystemClock::shared(), BufWriter::new(file))),
            history,
            hot: Arc::default(),
            writers: (1..=WRITERS).map(Writer::new).collect(),
            shorteners_killed: 0,
        };
        let [client, _] = trial.clients();
        let codes = trial.writers[0].make_links(&client, HOT_LINKS).await;
        trial.hot = Arc::new(HotLinks::of(codes));
        Some(trial)
    }

    /// One at each gateway, with connections of its own.
    fn clients(&self) -> [Client; 2] {
        let settings = HttpSettings {
            deadline: Duration::from_secs(15),
            ..HttpSettings::default()
        };
        self.fleet.gateways.each_ref().map(|gateway| {
            let http = HttpClient::new(&gateway.url(), settings).expect("a loopback address");
            Client::new(http, self.token.clone(), self.recorder.clone())
        })
    }

    async fn without(&mut self, round: u64, victim: Victim) {
        // Tokens last 15 minutes at most, a long trial longer.
        if victim == VICTIMS[0] {
            self.token = self.fleet.token("acme").await;
        }
        let clients = self.clients();
        let over = Arc::new(AtomicBool::new(false));
        let writing: Vec<_> = self
            .writers
            .drain(..)
            .enumerate()
            .map(|(place, writer)| tokio::spawn(writer.work(clients[place % 2].clone(), over.clone())))
            .collect();
        let following = tokio::spawn(follow(clients, self.hot.clone(), round));

        tokio::time::sleep(BEFORE).await;
        self.kill(victim).await;
        tokio::time::sleep(WITHOUT).await;
        self.restart(victim).await;
        self.until_all_are_ready(victim).await;
        over.store(true, Ordering::Relaxed);
        following.await.expect("the redirects ended");
        for writer in writing {
            self.writers.push(writer.await.expect("the writer ended"));
        }
        println!("killed {victim:?}: everything is ready again");
    }

    async fn kill(&mut self, victim: Victim) {
        match victim {
            Victim::Shortener(place) => {
                self.shorteners_killed += 1;
                self.fleet.shorteners[place].kill().await;
            }
            Victim::Issuer => self.fleet.issuer.kill().await,
            Victim::Gateway(place) => self.fleet.gateways[place].kill().await,
            Victim::Engine(place) => self.engines[place].kill(),
        }
    }

    async fn restart(&mut self, victim: Victim) {
        match victim {
            Victim::Shortener(place) => self.fleet.shorteners[place].restart().await,
            Victim::Issuer => self.fleet.issuer.restart().await,
            Victim::Gateway(place) => self.fleet.gateways[place].restart().await,
            Victim::Engine(place) => self.engines[place].restart().await,
        }
    }

    async fn until_all_are_ready(&self, after: Victim) {
        let ready = async {
            for process in self.fleet.all() {
                while !Platform::is_ready(process).await {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        };
        let waited = tokio::time::timeout(BACK_WITHIN, ready).await;
        assert!(
            waited.is_ok(),
            "after {after:?} was killed and started again, somebody is not ready within {BACK_WITHIN:?}\n{}",
            self.fleet.tails()
        );
    }

    /// Follows every link that was acknowledged, and repeats what was acknowledged, at the other gateway than before.
    async fn look_at_everything(&mut self) {
        let clients = self.clients();
        // Before the writers follow their links, the hot ones among them, once more.
        self.count_clicks(&clients[0]).await;
        let other = |place: usize| clients[(place + 1) % 2].clone();
        Writer::all_look_at_everything(&mut self.writers, other, REPEATS_MAX_EACH).await;
        assert!(
            self.writers.iter().all(Writer::has_settled),
            "with everything up again, every repeat is answered\n{}",
            self.fleet.tails()
        );
    }

    async fn count_clicks(&self, client: &Client) {
        self.hot.settle(client).await;
        println!("{}", self.hot);
        self.hot.assert_nothing_counted_twice();
        let lost_max =
            f64::from(self.shorteners_killed) * REDIRECTS_PER_SECOND * CLICKS_LOST_MAX.as_secs_f64();
        let lost = self.hot.lost();
        assert!(
            lost <= lost_max,
            "{lost} clicks were lost, more than {lost_max}\n{}",
            self.fleet.tails()
        );
    }

    fn judge(self) {
        let links: usize = self.writers.iter().map(Writer::links).sum();
        drop(self.writers);
        let recorder = Arc::into_inner(self.recorder).expect("all clients are gone");
        recorder.finish().expect("the history is written");
        let file = File::open(&self.history).expect("the history is there");
        let operations = history::read(BufReader::new(file)).expect("what was written can be read");
        println!(
            "{links} links acknowledged; {} operations judged: {}",
            operations.len(),
            self.history.display()
        );
        // A trial in which next to nothing happened proves nothing.
        assert!(links >= 50, "{links} links");
        for kind in [
            Operation::Claim,
            Operation::Read,
            Operation::Write,
            Operation::Delete,
            Operation::Redirect,
        ] {
            let count = operations
                .iter()
                .filter(|operation| operation.kind == kind)
                .count();
            assert!(count >= 10, "{count} operations of {kind:?}");
        }
        for report in [
            redirects::check(&operations, STALENESS),
            linearizable::check(&operations, linearizable::Limits::default()),
        ] {
            assert!(
                report.is_kept(),
                "{report}\nthe whole history is in {}",
                self.history.display()
            );
            print!("{report}");
        }
    }
}

/// By turns at both gateways, until a little after the victim died.
async fn follow(clients: [Client; 2], hot: Arc<HotLinks>, seed: u64) {
    let plan = Plan {
        arrivals: Arrivals::Constant {
            per_second: REDIRECTS_PER_SECOND,
        },
        seed,
        duration: BEFORE + WITHOUT,
        ..Plan::default()
    };
    let clock = clock::SystemClock::shared();
    load::run(plan, &clock, move |arrival| {
        let client = clients[usize::from(arrival.index % 2 == 1)].clone();
        let hot = hot.clone();
        // Each link at both gateways.
        async move { hot.follow(&client, arrival.index / 2).await }
    })
    .await;
}
