//! Shorteners on three CQL nodes with three copies, each node killed with SIGKILL in turn: what a quorum can do goes on, and
//! nothing that was acknowledged is gone when the next one dies.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clock::{Clock as _, SystemClock};
use history::{Kind as Operation, Outcome, linearizable, redirects};
use load::{HttpClient, HttpSettings, Recorder};
use telemetry::{Telemetry, TelemetrySettings};
use testkit::engines::{self, OwnCluster};
use testkit::platform::Platform;
use tokio::task::JoinHandle;
use wide::{Level, Migration, Statement, Wide, WideSettings};

use super::fleet::{EngineUrls, Fleet};
use crate::shortener::crash::clients::Client;
use crate::shortener::crash::writer::Writer;

/// Sessions that make, read, change, delete and follow links, half of them at each gateway.
const WRITERS: u64 = 4;
/// How long all work before a node dies, without it, and with it again.
const BEFORE: Duration = Duration::from_secs(5);
const WITHOUT: Duration = Duration::from_secs(15);
const AFTER: Duration = Duration::from_secs(5);
/// How long the driver and the other nodes may take to notice: what is asked meanwhile may be told to try again.
const NOTICED_WITHIN: Duration = Duration::from_secs(10);
const READY_WITHIN: Duration = Duration::from_mins(1);
/// An acknowledged change is followed everywhere after this at the latest.
const STALENESS: Duration = Duration::from_secs(1);
/// Of a thousand operations without one of the nodes, once that was noticed, so many may fail.
const FAILED_OF_1000_MAX: usize = 20;
/// Acknowledged requests that each writer repeats at the very end.
const REPEATS_MAX_EACH: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_one_of_three_nodes_killed_links_are_made_changed_and_followed_and_none_is_lost() {
    let test = "with_one_of_three_nodes_killed_links_are_made_changed_and_followed_and_none_is_lost";
    if !testkit::skips::nightly() {
        return; // Three JVMs.
    }
    let _turn = crate::turn::alone().await;
    let Some(mut urls) = EngineUrls::shared(test) else {
        return;
    };
    let Some(mut cluster) = OwnCluster::start(test).await else {
        return;
    };
    let census = Census::of(&cluster).await;
    census.finds_all_three().await;
    urls.cql = format!(
        "{}/{}?replication=3",
        cluster.url(),
        engines::fresh_name("quorum")
    );
    let mut trial = Trial::start(&urls).await;
    let mut outages = Vec::new();
    for node in 0..3 {
        outages.push(trial.without(&mut cluster, node).await);
        census.finds_all_three().await;
    }
    trial.look_at_everything().await;
    trial.judge(&outages);
}

/// From when on the node was certainly missed, and until when, as the recorder counts time.
struct Outage {
    node: usize,
    from_us: u64,
    until_us: u64,
}

/// Whether all three nodes have heard of each other and serve: what is written to all of them tells.
struct Census(Wide);

impl Census {
    const MIGRATIONS: &'static [Migration] = &[Migration::expand(
        1,
        "census",
        "CREATE TABLE IF NOT EXISTS {keyspace}.census (item int PRIMARY KEY);",
    )];
    const COUNT: Statement = Statement::write(
        "count_all",
        "INSERT INTO {keyspace}.census (item) VALUES (?)",
        Level::All,
    );

    async fn of(cluster: &OwnCluster) -> Self {
        let url = format!("{}/census?replication=3", cluster.url());
        let clock = SystemClock::shared();
        let telemetry = Telemetry::new("test", "1", &TelemetrySettings::default(), clock.clone());
        let settings = WideSettings {
            connect_timeout_ms: 60_000,
            ..WideSettings::default()
        };
        let wide = Wide::connect(&url, settings, telemetry.unwrap(), clock).await;
        Self(wide.unwrap())
    }

    async fn finds_all_three(&self) {
        let found = async {
            while self.0.migrate(Self::MIGRATIONS).await.is_err()
                || self.0.execute(&Self::COUNT, (1_i32,)).await.is_err()
            {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let waited = tokio::time::timeout(READY_WITHIN, found).await;
        assert!(waited.is_ok(), "not all nodes take part");
    }
}

struct Trial {
    fleet: Fleet,
    recorder: Arc<Recorder<BufWriter<File>>>,
    history: PathBuf,
    token: String,
    writers: Vec<Writer>,
}

impl Trial {
    async fn start(urls: &EngineUrls) -> Self {
        let fleet = Fleet::start(urls).await;
        let history = Path::new(env!("CARGO_TARGET_TMPDIR")).join("quorum-history.jsonl");
        let file = File::create(&history).expect("the history can be written");
        Self {
            token: fleet.token("acme").await,
            fleet,
            recorder: Arc::new(Recorder::new(SystemClock::shared(), BufWriter::new(file))),
            history,
            writers: (1..=WRITERS).map(Writer::new).collect(),
        }
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

    async fn without(&mut self, cluster: &mut OwnCluster, node: usize) -> Outage {
        let over = Arc::new(AtomicBool::new(false));
        let writing = self.set_to_work(&over);
        tokio::time::sleep(BEFORE).await;
        cluster.kill(node);
        tokio::time::sleep(NOTICED_WITHIN).await;
        let from_us = now_us();
        tokio::time::sleep(WITHOUT).await;
        let until_us = now_us();
        self.are_ready("without a node").await;
        cluster.restart(node).await;
        tokio::time::sleep(AFTER).await;
        over.store(true, Ordering::Relaxed);
        for writer in writing {
            self.writers.push(writer.await.expect("the writer ended"));
        }
        self.are_ready("with the node again").await;
        Outage {
            node,
            from_us,
            until_us,
        }
    }

    fn set_to_work(&mut self, over: &Arc<AtomicBool>) -> Vec<JoinHandle<Writer>> {
        let clients = self.clients();
        let writers = self.writers.drain(..).enumerate();
        writers
            .map(|(place, writer)| tokio::spawn(writer.work(clients[place % 2].clone(), over.clone())))
            .collect()
    }

    async fn are_ready(&self, when: &str) {
        let ready = async {
            for process in self.fleet.all() {
                while !Platform::is_ready(process).await {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        };
        let waited = tokio::time::timeout(READY_WITHIN, ready).await;
        assert!(
            waited.is_ok(),
            "{when}, somebody is not ready\n{}",
            self.fleet.tails()
        );
    }

    /// Follows every link that was acknowledged, and repeats what was acknowledged, at the other gateway than before.
    async fn look_at_everything(&mut self) {
        let clients = self.clients();
        let other = |place: usize| clients[(place + 1) % 2].clone();
        Writer::all_look_at_everything(&mut self.writers, other, REPEATS_MAX_EACH).await;
        assert!(
            self.writers.iter().all(Writer::has_settled),
            "with all nodes up again, every repeat is answered\n{}",
            self.fleet.tails()
        );
    }

    fn judge(self, outages: &[Outage]) {
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
        for outage in outages {
            outage.judge(&operations);
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

impl Outage {
    /// Work of every kind went on.
    fn judge(&self, operations: &[history::Operation]) {
        let during: Vec<_> = operations
            .iter()
            .filter(|operation| operation.start_us >= self.from_us && operation.end_us <= self.until_us)
            .collect();
        let mut told = String::new();
        for (kind, least) in [
            (Operation::Claim, 20),
            (Operation::Read, 10),
            (Operation::Write, 5),
            (Operation::Delete, 2),
            (Operation::Redirect, 10),
        ] {
            let answered = during
                .iter()
                .filter(|operation| operation.kind == kind && operation.outcome == Outcome::Ok)
                .count();
            assert!(
                answered >= least,
                "without node {}: {answered} of {kind:?}",
                self.node
            );
            _ = write!(told, " {answered} {kind:?}");
        }
        // A claim or a change that was refused was judged; one without an outcome was not.
        let failed = during
            .iter()
            .filter(|operation| operation.outcome == Outcome::Unknown)
            .count();
        println!(
            "without node {}: {} operations, {failed} without an outcome; answered:{told}",
            self.node,
            during.len()
        );
        assert!(failed * 1_000 <= during.len() * FAILED_OF_1000_MAX);
    }
}

fn now_us() -> u64 {
    u64::try_from(SystemClock.monotonic().as_micros()).expect("a test ends")
}
