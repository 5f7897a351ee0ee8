//! Runs a drill from its file to its verdict.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clock::SharedClock;
use history::{Kind, Operation, Outcome};
use load::Recorder;
use load::profile::{HistoryRecorder, Report, Second, Target, prepare};
use slo::{Evaluator, Objective, Policy};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::books::BooksObserver;
use crate::inject::{self, Due, DueFault};
use crate::invariants::{self, Evidence, Finding, Invariant, Money};
use crate::observer::{Asked, Holdings, Observer, Observing};
use crate::platform::{Platform, Start};
use crate::receiver::Receiver;
use crate::verdict::{Gathered, Verdict};
use crate::watch::{Alerts, SCRAPE_EVERY, follow};
use crate::{Drill, DrillError, Experiment, Fault, catalogue};

/// How long counts may take to settle once the load is over.
const SETTLED_WITHIN: Duration = Duration::from_secs(8);
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// How long an alert may take to clear once the load is over.
const CLEARED_WITHIN: Duration = Duration::from_secs(40);

/// What a drill is run with.
#[derive(Debug)]
pub struct Bench {
    /// The binary under test.
    pub program: PathBuf,
    /// Every service's objectives.
    pub objectives: Vec<Objective>,
    /// The clock of everything that is measured.
    pub clock: SharedClock,
    /// Decides arrivals, keys, and which copy is struck first.
    pub seed: u64,
    /// Whether the short form is run.
    pub brief: bool,
    /// `engines.json`: engines that a drill does not strike may be those.
    pub listed_engines: Option<PathBuf>,
    /// Where the history and the processes' logs stay; without it they go away again.
    pub out: Option<PathBuf>,
}

/// Runs it. An error says that it could not be run; that it went wrong is a verdict.
pub async fn run(drill: Drill, bench: &Bench) -> Result<Verdict, DrillError> {
    let drill = if bench.brief { drill.briefly() } else { drill };
    let kept = Kept::at(bench.out.as_deref())?;
    known_objectives(&drill, bench)?;
    let due = due(&drill, bench)?;
    let experiments: Vec<Experiment> = due
        .iter()
        .filter_map(|due| match &due.what {
            DueFault::Experiment(experiment) => Some(experiment.clone()),
            DueFault::Control(..) | DueFault::Hostile(_) => None,
        })
        .collect();
    let start = Start {
        program: &bench.program,
        plan: &drill.platform,
        experiments: &experiments,
        listed: bench.listed_engines.as_deref(),
        logs: &kept.logs,
    };
    let mut platform = start.platform().await?;
    let gathered = gather(&drill, bench, &due, &mut platform, &kept).await;
    platform.end().await?;
    Ok(Verdict::of(&drill, gathered?))
}

/// One that is misspelt would never be red.
fn known_objectives(drill: &Drill, bench: &Bench) -> Result<(), DrillError> {
    let named = drill
        .expect
        .alert
        .iter()
        .map(|alert| &alert.objective)
        .chain(&drill.expect.quiet);
    let is_known = |name: &str| bench.objectives.iter().any(|objective| objective.name == name);
    match named.into_iter().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(name) => Err(DrillError::Malformed {
            file: format!("drill {}", drill.name),
            reason: format!("there is no objective `{name}`: see `orrery slo list`"),
        }),
    }
}

/// Where files go.
struct Kept {
    history: PathBuf,
    logs: PathBuf,
    _folder: Option<TempDir>,
}

impl Kept {
    fn at(out: Option<&Path>) -> Result<Self, DrillError> {
        let temporary = match out {
            Some(_) => None,
            None => Some(tempfile::tempdir().map_err(DrillError::system("no temporary folder"))?),
        };
        let folder = out
            .or(temporary.as_ref().map(TempDir::path))
            .unwrap_or(Path::new("."));
        let logs = folder.join("logs");
        std::fs::create_dir_all(&logs).map_err(DrillError::file(&logs))?;
        Ok(Self {
            history: folder.join("history.jsonl"),
            logs,
            _folder: temporary,
        })
    }
}

/// The experiments of a drill, shorter by as much as it is.
fn due(drill: &Drill, bench: &Bench) -> Result<Vec<Due>, DrillError> {
    let divisor = if bench.brief { drill.brief.divisor } else { 1 };
    let one = |fault: &crate::drill::FaultPlan| {
        let at = fault.at.0;
        if let Some(control) = &fault.control {
            let what = DueFault::Control(control.clone(), fault.lasting.0);
            return Ok(Due { what, at });
        }
        let Some(name) = &fault.experiment else {
            let what = DueFault::Hostile(fault.lasting.0);
            return Ok(Due { what, at });
        };
        let mut experiment = catalogue::experiment(name)?;
        experiment.duration /= divisor;
        if let Fault::Kill { restart_after, .. } = &mut experiment.fault {
            *restart_after /= divisor;
        }
        let what = DueFault::Experiment(experiment);
        Ok(Due { what, at })
    };
    drill.faults.iter().map(one).collect()
}

async fn gather(
    drill: &Drill,
    bench: &Bench,
    due: &[Due],
    platform: &mut Platform,
    kept: &Kept,
) -> Result<Gathered, DrillError> {
    let file = File::create(&kept.history).map_err(DrillError::file(&kept.history))?;
    let out: Box<dyn Write + Send> = Box::new(BufWriter::new(file));
    let recorder: Arc<HistoryRecorder> = Arc::new(Recorder::new(bench.clock.clone(), out));
    let mut profile = catalogue::load(&drill.load.profile)?
        .with_rate(drill.load.per_second)
        .and_then(|profile| profile.with_duration(drill.duration()))
        .map_err(|error| DrillError::Load(error.to_string()))?
        .with_seed(bench.seed);
    if drill.load.connection_each {
        profile = profile.with_connection_each();
    }
    let command = platform.token_command();
    let target = Target {
        url: platform.entry.clone(),
        token: Some(Arc::new(move || command.token())),
        given: platform.given(),
    };
    let prepared = prepare(&profile, &target, &bench.clock, Some(recorder.clone()))
        .await
        .map_err(|error| DrillError::Load(error.to_string()))?;

    let start = bench.clock.monotonic();
    let alerts = Alerts::default();
    let (stop, stopped) = watch::channel(false);
    let evaluator = Evaluator::new(bench.objectives.clone(), Policy::standard().scaled(drill.scale));
    let watching = tokio::spawn(follow(
        evaluator,
        platform.admin_ports(),
        alerts.clone(),
        bench.clock.clone(),
        start,
        stopped.clone(),
    ));
    let offered = prepared.run(stopped, |_: &Second| ());
    let struck = inject::strike(platform, due, &bench.clock, start, bench.seed);
    let (report, struck) = tokio::join!(offered, struck);
    let struck = struck?;
    until_cleared(drill, &alerts).await;
    stop.send_replace(true);
    // It ends by itself now; a panic in it has been printed.
    let _ = watching.await;

    let invariants = judged(drill, bench, &target, platform, recorder, kept, &report).await?;
    Ok(Gathered {
        invariants,
        faults: struck,
        alerts: alerts.seen(),
        report,
        seed: bench.seed,
        brief: bench.brief,
    })
}

/// Observes, and judges every invariant of the drill.
async fn judged(
    drill: &Drill,
    bench: &Bench,
    target: &Target,
    platform: &Platform,
    recorder: Arc<HistoryRecorder>,
    kept: &Kept,
    report: &Report,
) -> Result<Vec<Finding>, DrillError> {
    let (mut operations, mut holdings, mut money) = (Vec::new(), Holdings::new(), None);
    match catalogue::observer(&drill.observer)? {
        Observing::Keys(observer) => {
            (operations, holdings) = observed(drill, observer, target, platform, recorder, kept).await?;
        }
        Observing::Books(observer) => {
            recorder.flush().map_err(|error| history_error(&error))?;
            money = Some(read_money(&observer, bench, platform, kept).await?);
        }
    }
    let evidence = Evidence {
        operations: &operations,
        holdings: &holdings,
        report,
        clicks_lost_max: drill.expect.clicks_lost_max,
        money: money.as_ref(),
        received: platform.receiver.as_ref().map(Receiver::received),
    };
    let judged = drill.expect.invariants.iter();
    Ok(judged
        .map(|invariant| invariants::judge(*invariant, &evidence))
        .collect())
}

async fn until_cleared(drill: &Drill, alerts: &Alerts) {
    let Some(expected) = &drill.expect.alert else {
        return;
    };
    let severity = expected.severity.word();
    let has_fired = alerts
        .seen()
        .iter()
        .any(|alert| alert.objective == expected.objective && alert.severity == severity);
    let clearing = async {
        while has_fired && !alerts.has_cleared(&expected.objective, severity) {
            sleep(SCRAPE_EVERY).await;
        }
    };
    // One that does not clear is the verdict's matter.
    let _ = tokio::time::timeout(CLEARED_WITHIN, clearing).await;
}

/// Asks what the platform holds, and reads the whole history back.
async fn observed(
    drill: &Drill,
    observer: Observer,
    target: &Target,
    platform: &Platform,
    recorder: Arc<HistoryRecorder>,
    kept: &Kept,
) -> Result<(Vec<Operation>, Holdings), DrillError> {
    let command = platform.token_command();
    let token = command.token().map_err(|reason| DrillError::Unobserved {
        what: "the platform".to_owned(),
        reason,
    })?;
    let asked = Asked::new(observer, &target.url, token)?;
    recorder.flush().map_err(|error| history_error(&error))?;
    let so_far = read(&kept.history)?;
    if drill.expect.invariants.contains(&Invariant::ClicksConserved) {
        settled(&asked, &so_far).await?;
    }
    let keys = so_far
        .iter()
        .filter(|operation| operation.kind == Kind::Claim && operation.outcome == Outcome::Ok)
        .map(|claim| claim.key.clone())
        .collect::<std::collections::BTreeSet<String>>();
    let holdings = asked.read(keys.into_iter(), Some(&recorder)).await?;
    recorder.flush().map_err(|error| history_error(&error))?;
    Ok((read(&kept.history)?, holdings))
}

/// Reads the tables and the history, and keeps both.
#[expect(clippy::similar_names, reason = "the words of the domain are alike")]
async fn read_money(
    observer: &BooksObserver,
    bench: &Bench,
    platform: &Platform,
    kept: &Kept,
) -> Result<Money, DrillError> {
    let observed = observer
        .read(&bench.program, &platform.told(), &bench.clock)
        .await?;
    let path = kept.history.with_file_name("observed.jsonl");
    let file = File::create(&path).map_err(DrillError::file(&path))?;
    let mut writer = history::Writer::new(BufWriter::new(file));
    for row in &observed {
        writer.record(row).map_err(|error| history_error(&error))?;
    }
    writer.flush().map_err(|error| history_error(&error))?;
    let file = File::open(&kept.history).map_err(DrillError::file(&kept.history))?;
    let operations = history::ledger::read(BufReader::new(file)).map_err(|error| history_error(&error))?;
    Ok(Money { operations, observed })
}

/// Waits until every click that was answered is counted, or counts may be taken to be what they are.
async fn settled(asked: &Asked, operations: &[Operation]) -> Result<(), DrillError> {
    let (answered, _) = invariants::clicks(operations);
    let followed: std::collections::BTreeSet<String> = operations
        .iter()
        .filter(|operation| operation.kind == Kind::Redirect)
        .map(|operation| operation.key.clone())
        .collect();
    let settling = async {
        loop {
            let holdings = asked.read(followed.iter().cloned(), None).await?;
            let counted: u64 = holdings.values().filter_map(|observed| observed.count).sum();
            if counted >= answered {
                return Ok::<(), DrillError>(());
            }
            sleep(LOOK_AGAIN).await;
        }
    };
    // Those that are still missing are the invariant's matter.
    tokio::time::timeout(SETTLED_WITHIN, settling)
        .await
        .unwrap_or(Ok(()))
}

fn read(path: &Path) -> Result<Vec<Operation>, DrillError> {
    let file = File::open(path).map_err(DrillError::file(path))?;
    history::read(BufReader::new(file)).map_err(|error| history_error(&error))
}

fn history_error(error: &history::HistoryError) -> DrillError {
    DrillError::Unobserved {
        what: "the history".to_owned(),
        reason: error.to_string(),
    }
}
