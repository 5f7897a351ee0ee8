//! After an acknowledged change at one gateway nobody is led to the former target for longer than a second, by either of
//! two processes that both remember it: with messages, with a subscription that is cut again and again, and with no message at all.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use history::{Kind as Operation, redirects};
use load::{HttpClient, HttpSettings, Recorder};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use testkit::engines::{Kind, OwnEngine};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader as Lines};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::fleet::{EngineUrls, Fleet};
use super::metrics::of_shortener;
use crate::shortener::crash::clients::{Claim, Client};

/// Links that are changed all the time, each by a session of its own, at both gateways by turns.
const LINKS: u64 = 6;
/// Sessions at each gateway that follow them.
const FOLLOWERS_EACH: u64 = 4;
/// Between two changes of a link: so often that a change falls into every age of what is remembered, so seldom that some
/// targets live longer than anybody may remember them.
const BETWEEN_CHANGES_MS: std::ops::Range<u64> = 50..1_500;
/// Between two new links.
const BETWEEN_NEW_MS: std::ops::Range<u64> = 5..60;
/// Between two looks of a follower.
const BETWEEN_LOOKS: Duration = Duration::from_millis(4);
/// An acknowledged change is followed everywhere after this at the latest.
const STALENESS: Duration = Duration::from_secs(1);
/// A trial goes on until so much was done, on a slow machine for longer.
const WRITES_MIN: u64 = 100;
const LOOKS_MIN: u64 = 1_500;
const TRIAL_MAX: Duration = Duration::from_mins(1);
/// How often subscriptions are cut.
const CUT_EVERY: Duration = Duration::from_millis(5);

/// What becomes of the messages by which processes tell each other of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Messages {
    Arrive,
    /// The connections that they come over are cut every few milliseconds.
    Interrupted,
    /// No subscription is allowed any more: none arrives.
    Lost,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_led_to_a_former_target_beyond_a_second_though_every_message_is_lost() {
    let test = "nobody_is_led_to_a_former_target_beyond_a_second_though_every_message_is_lost";
    let Some(mut engines) = EngineUrls::shared(test) else {
        return;
    };
    let Some(redis) = OwnEngine::start(Kind::Redis, test).await else {
        return;
    };
    let _turn = crate::turn::alone().await;
    engines.redis = format!("{}/0?prefix=invalidation", redis.url());
    let fleet = Fleet::start(&engines).await;
    let token = fleet.token("acme").await;
    for messages in [Messages::Arrive, Messages::Interrupted, Messages::Lost] {
        let before = Heard::of(&fleet).await;
        let mut server = RedisServer::connect(&redis).await;
        let over = Arc::new(AtomicBool::new(false));
        let cutting = match messages {
            Messages::Arrive => None,
            Messages::Interrupted => Some(tokio::spawn(server.cut_subscriptions(over.clone()))),
            Messages::Lost => {
                server.say("ACL SETUSER default -subscribe").await;
                server.say("CLIENT KILL TYPE pubsub").await;
                None
            }
        };
        let trial = Trial::new(&fleet, &token, messages);
        let seen = trial.run(over).await;
        if let Some(cutting) = cutting {
            println!("{} subscriptions were cut", cutting.await.unwrap());
        }
        let heard = Heard::of(&fleet).await.since(&before);
        heard.is_what(messages);
        seen.judge(&fleet);
    }
}

/// What both processes heard of each other.
#[derive(Debug)]
struct Heard {
    keys: [f64; 2],
    gaps: [f64; 2],
}

impl Heard {
    async fn of(fleet: &Fleet) -> Self {
        let mut heard = Self {
            keys: [0.0; 2],
            gaps: [0.0; 2],
        };
        for (place, shortener) in fleet.shorteners.iter().enumerate() {
            for (kind, counts) in [("key", &mut heard.keys), ("gap", &mut heard.gaps)] {
                let metric = format!(r#"cache_shared_notices_total{{cache="destinations",notice="{kind}"}}"#);
                counts[place] = of_shortener(shortener, &metric)
                    .await
                    .expect("a shortener counts what it hears");
            }
        }
        heard
    }

    fn since(&self, before: &Self) -> Self {
        let less = |now: &[f64; 2], before: &[f64; 2]| [now[0] - before[0], now[1] - before[1]];
        Self {
            keys: less(&self.keys, &before.keys),
            gaps: less(&self.gaps, &before.gaps),
        }
    }

    /// The trial was about what it says.
    fn is_what(&self, messages: Messages) {
        let each = |counts: &[f64; 2], right: &dyn Fn(f64) -> bool| counts.iter().all(|count| right(*count));
        let right = match messages {
            Messages::Arrive => {
                each(&self.gaps, &|gaps| gaps == 0.0) && each(&self.keys, &|keys| keys >= 10.0)
            }
            Messages::Interrupted => each(&self.gaps, &|gaps| gaps >= 10.0),
            Messages::Lost => each(&self.gaps, &|gaps| gaps >= 1.0) && each(&self.keys, &|keys| keys == 0.0),
        };
        println!("messages {messages:?}: {self:?}");
        assert!(right, "messages {messages:?}, but the processes heard {self:?}");
    }
}

/// A connection on which its commands are said as they stand.
struct RedisServer(Lines<TcpStream>);

impl RedisServer {
    async fn connect(redis: &OwnEngine) -> Self {
        Self(Lines::new(TcpStream::connect(redis.address()).await.unwrap()))
    }

    async fn say(&mut self, command: &str) -> String {
        self.0
            .write_all(format!("{command}\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        self.0.read_line(&mut answer).await.unwrap();
        assert!(!answer.starts_with('-'), "{command}: {answer}");
        answer
    }

    /// How many it cut until it was `over`.
    async fn cut_subscriptions(mut self, over: Arc<AtomicBool>) -> u64 {
        let mut cut = 0;
        while !over.load(Ordering::Relaxed) {
            let answer = self.say("CLIENT KILL TYPE pubsub").await;
            cut += answer.trim_start_matches(':').trim().parse::<u64>().unwrap();
            tokio::time::sleep(CUT_EVERY).await;
        }
        cut
    }
}

struct Trial {
    messages: Messages,
    clients: [Client; 2],
    recorder: Arc<Recorder<BufWriter<File>>>,
    history: PathBuf,
    /// The alias that is asked for before it is made, and a little after.
    newest: Arc<Mutex<String>>,
    sessions: AtomicU64,
    done: Arc<Done>,
}

/// How much was done so far.
#[derive(Default)]
struct Done {
    writes: AtomicU64,
    looks: AtomicU64,
}

impl Trial {
    fn new(fleet: &Fleet, token: &str, messages: Messages) -> Self {
        let history = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("invalidation-{messages:?}.jsonl"));
        let file = File::create(&history).expect("the history can be written");
        let recorder = Arc::new(Recorder::new(clock::SystemClock::shared(), BufWriter::new(file)));
        let settings = HttpSettings {
            deadline: Duration::from_secs(15),
            ..HttpSettings::default()
        };
        let clients = fleet.gateways.each_ref().map(|gateway| {
            let http = HttpClient::new(&gateway.url(), settings).expect("a loopback address");
            Client::new(http, token.to_owned(), recorder.clone())
        });
        Self {
            messages,
            clients,
            recorder,
            history,
            newest: Arc::default(),
            sessions: AtomicU64::new(1),
            done: Arc::default(),
        }
    }

    async fn run(self, over: Arc<AtomicBool>) -> Seen {
        let mut working = JoinSet::new();
        for link in 0..LINKS {
            working.spawn(change(self.session(&over), format!("{:?}-{link}", self.messages)));
        }
        working.spawn(make_new(
            self.session(&over),
            format!("{:?}", self.messages),
            self.newest.clone(),
        ));
        for follower in 0..2 * FOLLOWERS_EACH {
            let session = self.session(&over);
            working.spawn(follow(
                session,
                usize::from(follower % 2 == 1),
                self.messages,
                self.newest.clone(),
            ));
        }
        let least = if testkit::skips::nightly() { 10 } else { 1 };
        let enough = async {
            while self.done.writes.load(Ordering::Relaxed) < least * WRITES_MIN
                || self.done.looks.load(Ordering::Relaxed) < least * LOOKS_MIN
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        // What is too little is said by the judge.
        _ = tokio::time::timeout(TRIAL_MAX, enough).await;
        over.store(true, Ordering::Relaxed);
        working.join_all().await;
        drop(self.clients);
        let recorder = Arc::into_inner(self.recorder).expect("all clients are gone");
        recorder.finish().expect("the history is written");
        Seen {
            messages: self.messages,
            history: self.history,
        }
    }

    fn session(&self, over: &Arc<AtomicBool>) -> Session {
        let number = self.sessions.fetch_add(1, Ordering::Relaxed);
        Session {
            number,
            clients: self.clients.clone(),
            rng: StdRng::seed_from_u64(number),
            over: over.clone(),
            done: self.done.clone(),
        }
    }
}

/// One that does one thing after another.
struct Session {
    number: u64,
    clients: [Client; 2],
    rng: StdRng,
    over: Arc<AtomicBool>,
    done: Arc<Done>,
}

impl Session {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    async fn pause(&mut self, range_ms: std::ops::Range<u64>) {
        let pause = self.rng.random_range(range_ms);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

/// Makes a link, changes it at either gateway, deletes it, makes it again.
async fn change(mut session: Session, alias: String) {
    let mut wish = 0;
    let mut is_there = false;
    while session.goes_on() {
        wish += 1;
        let url = format!("https://example.com/{alias}/{wish}");
        let place = session.rng.random_range(0..2);
        let client = &session.clients[place];
        if !is_there {
            let claim = Claim {
                intent: format!("{alias}-{wish}"),
                alias: Some(alias.clone()),
                url,
            };
            is_there = client.claim(session.number, &claim).await.is_ok();
        } else if session.rng.random_range(0..4) == 0 {
            client.change(session.number, &alias, None).await;
            is_there = false;
        } else {
            client.change(session.number, &alias, Some(&url)).await;
        }
        session.done.writes.fetch_add(1, Ordering::Relaxed);
        session.pause(BETWEEN_CHANGES_MS).await;
    }
}

/// Asks for a link that is not there, has it made at the other gateway, and asks again.
async fn make_new(mut session: Session, word: String, newest: Arc<Mutex<String>>) {
    for wish in 0.. {
        if !session.goes_on() {
            return;
        }
        let alias = format!("new-{word}-{wish}");
        newest.lock().unwrap().clone_from(&alias);
        let (here, there) = (&session.clients[wish % 2], &session.clients[(wish + 1) % 2]);
        there.follow(session.number, &alias).await;
        let claim = Claim {
            intent: alias.clone(),
            url: format!("https://example.com/{alias}"),
            alias: Some(alias.clone()),
        };
        if here.claim(session.number, &claim).await.is_ok() {
            there.follow(session.number, &alias).await;
            here.follow(session.number, &alias).await;
        }
        session.done.writes.fetch_add(1, Ordering::Relaxed);
        session.pause(BETWEEN_NEW_MS).await;
    }
}

async fn follow(mut session: Session, gateway: usize, messages: Messages, newest: Arc<Mutex<String>>) {
    while session.goes_on() {
        let mut alias = format!("{messages:?}-{}", session.rng.random_range(0..LINKS));
        if session.rng.random_range(0..4) == 0 {
            alias.clone_from(&newest.lock().unwrap());
        }
        if !alias.is_empty() {
            session.clients[gateway].follow(session.number, &alias).await;
            session.done.looks.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// What was seen in a trial.
struct Seen {
    messages: Messages,
    history: PathBuf,
}

impl Seen {
    fn judge(&self, fleet: &Fleet) {
        let file = File::open(&self.history).expect("the history is there");
        let operations = history::read(BufReader::new(file)).expect("what was written can be read");
        for (kind, least) in [
            (Operation::Claim, 30),
            (Operation::Write, 15),
            (Operation::Delete, 4),
            (Operation::Redirect, 1_000),
        ] {
            let done = operations
                .iter()
                .filter(|operation| operation.kind == kind && operation.outcome == history::Outcome::Ok)
                .count();
            println!("{done} of {kind:?}");
            assert!(done >= least, "{done} of {kind:?} prove nothing");
        }
        let report = redirects::check(&operations, STALENESS);
        assert!(
            report.is_kept(),
            "messages {:?}: {report}\nthe whole history is in {}\n{}",
            self.messages,
            self.history.display(),
            fleet.tails()
        );
        // How old the oldest was, to the twentieth of a second.
        let kept = |ms: &u64| redirects::check(&operations, Duration::from_millis(*ms)).is_kept();
        let oldest_ms = (0..=1_000).step_by(50).find(kept).expect("within the bound");
        println!(
            "messages {:?}: nobody was led to what was {oldest_ms} ms old",
            self.messages
        );
        if self.messages == Messages::Lost {
            assert!(
                oldest_ms > 300,
                "where no message arrives, only time ends what is remembered"
            );
        }
    }
}
