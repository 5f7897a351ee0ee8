//! The network to each engine fails in each way under requests of all kinds at both gateways, and comes back: every answer is right or
//! an honest problem, `/readyz` tells, nobody is restarted, and nothing acknowledged is gone.
//!
//! The sessions, the history and its judges are those of the trial in which processes are killed.

pub(crate) mod proxied;
mod readiness;
mod token;

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use history::{Kind as Operation, linearizable, redirects};
use load::{HttpClient, HttpSettings, Recorder};
use testkit::engines::Kind;

use super::fleet::Fleet;
use crate::shortener::crash::click_count::HotLinks;
use crate::shortener::crash::clients::Client;
use crate::shortener::crash::writer::Writer;
use proxied::{FAULTS, Fault, Proxied};
use token::Machine;

/// Sessions that make, read, change and delete links, half of them at each gateway.
const WRITERS: u64 = 4;
/// Links that are followed all the time and never changed, so that their clicks can be counted.
const HOT_LINKS: usize = 4;
/// Between two redirects.
const REDIRECT_PAUSE: Duration = Duration::from_millis(15);
/// How long all work without an engine once that shows (longer than a request's deadline, so that each way of refusing is seen), with a
/// slow one, and after each.
const WITHOUT: Duration = Duration::from_millis(2_200);
const SLOWED: Duration = Duration::from_millis(1_200);
const AFTER: Duration = Duration::from_millis(400);
/// What a request gets here, and how long a client waits for any answer: past it the request hangs.
const REQUEST_DEADLINE_MS: &str = "2000";
const HANGS_AFTER: Duration = Duration::from_secs(15);
/// An acknowledged change is followed everywhere after this at the latest.
const STALENESS: Duration = Duration::from_secs(1);
/// Redirects that are answered in each fault at least.
const REDIRECTS_MIN: u64 = 20;
/// How often the counts are waited for, 20 s each: all events count the same few links, which a slow machine is long in catching up with.
const CATCH_UP_ROUNDS: usize = 5;
/// Acknowledged requests that each writer repeats at the very end.
const REPEATS_MAX_EACH: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_the_network_to_an_engine_fails_answers_are_honest_and_nothing_is_lost() {
    let test = "however_the_network_to_an_engine_fails_answers_are_honest_and_nothing_is_lost";
    let _turn = crate::turn::alone().await;
    let Some((engines, urls)) = proxied::all(test).await else {
        return;
    };
    let deadline = [("ORRERY_SERVER_REQUEST_DEADLINE_MS_DEFAULT", REQUEST_DEADLINE_MS)];
    let fleet = Fleet::start_with(&urls, &deadline).await;
    let mut trial = Trial::of(fleet).await;
    for fault in FAULTS {
        for engine in &engines {
            trial.under(engine, fault).await;
        }
    }
    trial.look_at_everything().await;
    trial.judge();
}

struct Trial {
    fleet: Fleet,
    recorder: Arc<Recorder<BufWriter<File>>>,
    history: PathBuf,
    token: String,
    machine: Machine,
    hot: Arc<HotLinks>,
    writers: Vec<Writer>,
}

impl Trial {
    async fn of(fleet: Fleet) -> Self {
        let history = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults-history.jsonl");
        let file = File::create(&history).expect("the history can be written");
        let mut trial = Self {
            token: fleet.token("acme").await,
            machine: Machine::register(&fleet).await,
            fleet,
            recorder: Arc::new(Recorder::new(clock::SystemClock::shared(), BufWriter::new(file))),
            history,
            hot: Arc::default(),
            writers: (1..=WRITERS).map(Writer::new).collect(),
        };
        let [client, _] = trial.clients();
        let codes = trial.writers[0].make_links(&client, HOT_LINKS).await;
        trial.hot = Arc::new(HotLinks::of(codes));
        trial
    }

    /// One at each gateway.
    fn clients(&self) -> [Client; 2] {
        let settings = HttpSettings {
            deadline: HANGS_AFTER,
            ..HttpSettings::default()
        };
        self.fleet.gateways.each_ref().map(|gateway| {
            let http = HttpClient::new(&gateway.url(), settings).expect("a loopback address");
            Client::new(http, self.token.clone(), self.recorder.clone()).always_answered()
        })
    }

    async fn under(&mut self, engine: &Proxied, fault: Fault) {
        let what = format!("{} {fault:?}", engine.kind.name());
        let clients = self.clients();
        let over = Arc::new(AtomicBool::new(false));
        let writing: Vec<_> = self
            .writers
            .drain(..)
            .enumerate()
            .map(|(place, writer)| tokio::spawn(writer.work(clients[place % 2].clone(), over.clone())))
            .collect();
        let following = [0, 1]
            .map(|place: usize| tokio::spawn(follow(clients[place].clone(), self.hot.clone(), over.clone())));
        let asking = tokio::spawn(self.machine.clone().ask_until(over.clone()));

        let answered = self.hot.answered();
        engine.set(fault);
        readiness::follows(&self.fleet, engine.kind, fault, &what).await;
        tokio::time::sleep(if fault.is_loss() { WITHOUT } else { SLOWED }).await;
        let followed = self.hot.answered() - answered;
        engine.heal();
        readiness::is_whole(&self.fleet, &what).await;
        tokio::time::sleep(AFTER).await;

        over.store(true, Ordering::Relaxed);
        for follower in following {
            follower.await.expect("the redirects ended");
        }
        for writer in writing {
            self.writers.push(writer.await.expect("the writer ended"));
        }
        let tokens = asking.await.expect("the machine ended");
        println!("{what}: {followed} redirects answered meanwhile; {tokens}");
        let is_needed = engine.kind == Kind::Postgres && fault.is_loss();
        assert!(
            !is_needed || tokens.refused > 0,
            "{what}: the issuer refused nothing"
        );
        self.machine.is_served().await;
        assert!(
            followed >= REDIRECTS_MIN,
            "{what}: {followed} redirects\n{}",
            self.fleet.tails()
        );
    }

    /// Follows every link that was acknowledged, and repeats what was acknowledged, at the other gateway than before.
    async fn look_at_everything(&mut self) {
        let clients = self.clients();
        // Nobody died, so no click may be missing either. Before the links are followed once more, which is not counted here.
        for _ in 0..CATCH_UP_ROUNDS {
            self.hot.lost_in_this_life(&clients[0], 0.0).await;
            println!("{}", self.hot);
            if self.hot.lost() <= 0.0 {
                break;
            }
        }
        let lost = self.hot.lost();
        self.hot.assert_nothing_counted_twice();
        assert!(lost <= 0.0, "{lost} clicks are missing\n{}", self.fleet.tails());
        let other = |place: usize| clients[(place + 1) % 2].clone();
        Writer::all_look_at_everything(&mut self.writers, other, REPEATS_MAX_EACH).await;
        assert!(
            self.writers.iter().all(Writer::has_settled),
            "with everything there again, every repeat is answered\n{}",
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
            "{links} links acknowledged; {} operations judged",
            operations.len()
        );
        // A trial in which next to nothing happened proves nothing.
        assert!(links >= 50, "{links} links");
        for kind in [
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

/// One redirect after the other.
async fn follow(client: Client, hot: Arc<HotLinks>, over: Arc<AtomicBool>) {
    for turn in 0.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        hot.follow(&client, turn).await;
        tokio::time::sleep(REDIRECT_PAUSE).await;
    }
}
