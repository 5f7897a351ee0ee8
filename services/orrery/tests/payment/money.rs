//! The drills' load of money and their observer of it, for trials that kill by a plan of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chaos::Told;
use history::ledger::{self, Answer, Effect, Observed, Operation};
use load::Recorder;
use load::profile::{HistoryRecorder, Report, Second, Target, prepare};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::platform::binary;

/// The load, a file of `chaos/loads`, and how it is observed, a file of `chaos/observers`.
const LOAD: &str = "payments";
const OBSERVER: &str = "payments";
/// It is told to stop long before.
const LOAD_FOR: Duration = Duration::from_mins(14);
/// Senders do not give up while the platform is killed and comes back, 300 ms apart: what was not answered is settled.
const INSIST: u32 = 200;
/// A trial in which next to nothing happened proves nothing.
const ACKNOWLEDGED_MIN: usize = 300;
const PAYMENTS_MIN: usize = 30;
const REFUSED_MIN: usize = 5;
/// Requests that lost their answer to a kill and got it under the same key later.
const SETTLED_MIN: usize = 5;

/// What payment and the processor are told so that their books can be held against each other, and that a trial is short.
pub(crate) const ENVIRONMENT: [(&str, &str); 11] = [
    (
        "ORRERY_PROCESSOR_API_SECRET",
        "drill-processor-api-secret-0123456789",
    ),
    (
        "ORRERY_PROCESSOR_WEBHOOK_SECRET",
        "whsec_ZHJpbGwtd2ViaG9vay1zZWNyZXQtMDEyMzQ1Njc4OTA=",
    ),
    (
        "ORRERY_PAYMENT_PROCESSOR_API_KEY",
        "drill-processor-api-secret-0123456789",
    ),
    (
        "ORRERY_PAYMENT_PROCESSOR_WEBHOOK_SECRET",
        "whsec_ZHJpbGwtd2ViaG9vay1zZWNyZXQtMDEyMzQ1Njc4OTA=",
    ),
    // Its few accounts pay all the time: no limit of velocity is what a trial is about.
    ("ORRERY_PAYMENT_LIMITS_PAYMENTS_PER_HOUR_MAX", "1000000"),
    (
        "ORRERY_PAYMENT_LIMITS_PAYMENTS_MINOR_PER_HOUR_MAX",
        "1000000000000",
    ),
    ("ORRERY_PAYMENT_RISK_PAYMENTS_PER_HOUR_MAX", "1000000"),
    // A lease outlasts each call.
    ("ORRERY_PAYMENT_COMMITS_DEADLINE_MS", "3000"),
    ("ORRERY_PAYMENT_SAGA_LEASE_MS", "4000"),
    ("ORRERY_PAYMENT_SAGA_POLL_INTERVAL_MS", "100"),
    ("ORRERY_PAYMENT_SAGA_RETRY_PAUSE_MS_MAX", "1000"),
];

/// Unoptimised code on two cores, shared with the load itself, does not sustain the full rate; and whoever was not answered comes again, so that what one
/// life leaves undone is the next one's load too.
fn per_second() -> f64 {
    if cfg!(debug_assertions) { 15.0 } else { 150.0 }
}

/// Clients that go on until they are told to stop, and what they saw.
pub(crate) struct Clients {
    stop: watch::Sender<bool>,
    running: JoinHandle<Report>,
    recorder: Arc<HistoryRecorder>,
    history: PathBuf,
}

impl Clients {
    /// Opens accounts and begins. The token must last as long as the trial.
    pub(crate) async fn start(url: &str, token: &str, name: &str, seed: u64) -> Self {
        let history = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.jsonl"));
        let file = File::create(&history).expect("the history can be written");
        let out: Box<dyn Write + Send> = Box::new(BufWriter::new(file));
        let clock = clock::SystemClock::shared();
        let recorder: Arc<HistoryRecorder> = Arc::new(Recorder::new(clock.clone(), out));
        let mut profile = chaos::load(LOAD)
            .expect("the load is there")
            .with_rate(per_second())
            .and_then(|profile| profile.with_duration(LOAD_FOR))
            .expect("a load like the committed one")
            .with_seed(seed);
        for repeats in profile
            .operations
            .iter_mut()
            .filter_map(|step| step.repeats.as_mut())
        {
            repeats.insist = INSIST;
        }
        let token = token.to_owned();
        let target = Target {
            url: url.to_owned(),
            token: Some(Arc::new(move || Ok(token.clone()))),
            given: BTreeMap::new(),
        };
        let prepared = prepare(&profile, &target, &clock, Some(recorder.clone()))
            .await
            .unwrap_or_else(|error| panic!("the setup of the load: {error}"));
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(async move { prepared.run(stopped, |_: &Second| ()).await });
        Self {
            stop,
            running,
            recorder,
            history,
        }
    }

    /// Stops them; those without an answer ask until they have one. Gives the whole history.
    pub(crate) async fn stop(self) -> Vec<Operation> {
        self.stop.send_replace(true);
        let report = self.running.await.expect("the load ended");
        assert_eq!(report.history_error, None, "the history is whole");
        let total = &report.total;
        println!(
            "{} offered, {} ok, {} not, {} not sent: {:?}",
            total.offered, total.ok, total.failed, total.dropped, total.statuses
        );
        self.recorder.flush().expect("the history is written");
        let file = File::open(&self.history).expect("the history is there");
        ledger::read(BufReader::new(file)).expect("what was written can be read")
    }
}

/// Where a role stands whose books are read.
pub(crate) fn told(url: &str, data: &Path, environment: &[(String, String)]) -> Told {
    let port = url.rsplit(':').next().and_then(|port| port.parse().ok());
    Told {
        api_port: port.expect("a URL with a port"),
        data: data.to_owned(),
        environment: environment.to_vec(),
    }
}

/// Reads the books once nothing is under way, and holds them against what clients saw.
pub(crate) async fn judge(name: &str, operations: &[Operation], payment: Told, processor: Told) {
    let roles = BTreeMap::from([
        ("payment".to_owned(), payment),
        ("processor".to_owned(), processor),
    ]);
    let clock = clock::SystemClock::shared();
    let observed = chaos::observe_money(OBSERVER, binary(), &roles, &clock)
        .await
        .unwrap_or_else(|error| panic!("{name}: the books cannot be read: {error}"));
    let kept = keep(name, &observed);
    let report = ledger::check(operations, &observed);
    assert!(
        report.is_kept(),
        "{report}\nthe history and what was observed are in {}",
        kept.display()
    );
    print!("{report}");
    enough_happened(operations, &observed);
    everybody_was_answered(operations);
}

/// Written beside the history, for whoever has to find out why.
fn keep(name: &str, observed: &[Observed]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let file = File::create(folder.join(format!("{name}-observed.jsonl"))).expect("it can be written");
    let mut writer = history::Writer::new(BufWriter::new(file));
    for row in observed {
        writer.record(row).expect("it is written");
    }
    writer.flush().expect("it is written");
    folder.to_owned()
}

fn enough_happened(operations: &[Operation], observed: &[Observed]) {
    let judged = |rule| ledger::judged(rule, operations, observed);
    let counts = [
        (ledger::KEPT, ACKNOWLEDGED_MIN),
        (ledger::REFUSED, REFUSED_MIN),
        (ledger::SETTLED, PAYMENTS_MIN),
        (ledger::CAPTURED, PAYMENTS_MIN),
        (ledger::CHAIN, ACKNOWLEDGED_MIN),
    ];
    for (rule, min) in counts {
        let count = judged(rule);
        assert!(count >= min, "{rule}: only {count} to judge");
        println!("{rule}: {count} judged");
    }
    for effect in [
        Effect::Transfer,
        Effect::Hold,
        Effect::Capture,
        Effect::Void,
        Effect::Reversal,
    ] {
        let done = operations
            .iter()
            .any(|operation| operation.effect == effect && matches!(operation.answer, Answer::Ok { .. }));
        assert!(done, "no {effect:?} was acknowledged");
    }
}

/// Whoever asked again was answered in the end; who gave up asked once.
fn everybody_was_answered(operations: &[Operation]) {
    let mut by_key: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in operations {
        by_key.entry(&operation.intent).or_default().push(operation);
    }
    let is_unknown = |operation: &&Operation| matches!(operation.answer, Answer::Unknown);
    let mut settled = 0;
    let mut open = BTreeSet::new();
    for (key, attempts) in &by_key {
        let unknown = attempts
            .iter()
            .copied()
            .filter(|attempt| is_unknown(attempt))
            .count();
        if unknown == attempts.len() && unknown > 1 {
            open.insert(*key);
        } else if unknown > 0 && unknown < attempts.len() {
            settled += 1;
        }
    }
    assert!(open.is_empty(), "nobody knows what became of {open:?}");
    println!("{settled} requests were settled by their keys");
    assert!(
        settled >= SETTLED_MIN,
        "{settled} requests were settled by their keys"
    );
}
