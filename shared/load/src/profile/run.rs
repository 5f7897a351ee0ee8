//! Runs a profile: its setup, then an arrival at each due time, whatever became of those before.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use clock::SharedClock;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::captured::{Asker, Captured};
use super::chances::Chances;
use super::collected::Collected;
use super::recording::{Done, What, Wire};
use super::report::{Report, Second};
use super::setup::set_up;
use super::step::Step;
use super::template::{Template, Variable};
use super::{HistoryRecorder, Profile, ProfileError};
use crate::http_client::{HttpClient, HttpSettings};

/// A token lives 15 minutes at most.
const TOKEN_FRESH: Duration = Duration::from_mins(5);
/// Arrivals that are due and not yet looked at.
const DUE_MAX: usize = 4_096;
/// How long the clockwork sleeps at most before it looks whether anybody still listens.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Gives a token, again every few minutes. It may block.
pub type TokenSource = Arc<dyn Fn() -> Result<String, String> + Send + Sync>;

/// Where a load goes.
#[derive(Clone)]
pub struct Target {
    /// `http://127.0.0.1:8080`: this machine only.
    pub url: String,
    /// What steps with `token: true` carry; without it they carry none.
    pub token: Option<TokenSource>,
    /// What steps find as `{{given.NAME}}`.
    pub given: BTreeMap<String, String>,
}

impl fmt::Debug for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Target({})", self.url)
    }
}

/// A profile whose setup is done: nothing is left but to begin.
#[derive(Debug)]
pub struct Prepared {
    profile: Arc<Profile>,
    target: Target,
    wire: Arc<Wire>,
}

/// Does the setup and offers the load; returns when the last operation has ended, or soon after `stop` says so. `progress`
/// is told each second as it ends.
pub async fn run(
    profile: &Profile,
    target: &Target,
    clock: &SharedClock,
    recorder: Option<Arc<HistoryRecorder>>,
    stop: watch::Receiver<bool>,
    progress: impl Fn(&Second) + Send,
) -> Result<Report, ProfileError> {
    let prepared = prepare(profile, target, clock, recorder).await?;
    Ok(prepared.run(stop, progress).await)
}

/// Does the setup: creates what the load asks for.
pub async fn prepare(
    profile: &Profile,
    target: &Target,
    clock: &SharedClock,
    recorder: Option<Arc<HistoryRecorder>>,
) -> Result<Prepared, ProfileError> {
    let settings = HttpSettings {
        deadline: profile.deadline(),
        idle_connections_max: profile.in_flight_max,
        ..HttpSettings::default()
    };
    let client = HttpClient::new(&target.url, settings)?;
    all_given(profile, target)?;
    let token = match &target.token {
        Some(source) => Some(fetch(source.clone()).await.map_err(ProfileError::Token)?),
        None => None,
    };
    let run = format!("{:x}-{:x}", clock.unix_ms(), profile.seed);
    let wire = Arc::new(Wire {
        client,
        token: RwLock::new(token),
        captured: Captured::new(profile, run, target.given.clone()),
        recorder,
        history_error: OnceLock::new(),
        clock: clock.clone(),
        seed: profile.seed,
    });
    let profile = Arc::new(profile.clone());
    for number in 0..profile.setup.len() {
        set_up(&profile, number, &wire).await?;
    }
    Ok(Prepared {
        profile,
        target: target.clone(),
        wire,
    })
}

/// A place that nobody fills would be asked for as an empty text.
fn all_given(profile: &Profile, target: &Target) -> Result<(), ProfileError> {
    let steps = profile.setup.iter().chain(&profile.operations);
    for variable in steps.flat_map(Step::templates).flat_map(Template::variables) {
        if let Variable::Given(name) = variable
            && !target.given.contains_key(name)
        {
            let place = format!("given.{name}");
            return Err(ProfileError::senseless(&place, "this run is not given it"));
        }
    }
    Ok(())
}

async fn fetch(source: TokenSource) -> Result<String, String> {
    let fetched = tokio::task::spawn_blocking(move || source()).await;
    fetched.unwrap_or_else(|error| Err(error.to_string()))
}

/// What the operations of a run share.
struct Running {
    profile: Arc<Profile>,
    wire: Arc<Wire>,
    collected: Mutex<Collected>,
    /// A session does one thing at a time; the lock is fair, so in the order in which it was due.
    sessions: Vec<tokio::sync::Mutex<()>>,
    start: Duration,
}

impl Running {
    fn collected(&self) -> MutexGuard<'_, Collected> {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn since_start(&self) -> Duration {
        self.wire.clock.monotonic().saturating_sub(self.start)
    }

    /// Starts an arrival's operation, unless too many are in flight.
    fn take(self: &Arc<Self>, chances: &Chances, index: u64, due: Duration, in_flight: &mut JoinSet<()>) {
        let operation = chances.operation(index);
        let mut collected = self.collected();
        if collected.in_flight() >= self.profile.in_flight_max {
            collected.dropped(operation, due);
            return;
        }
        collected.started(operation, self.since_start().saturating_sub(due));
        drop(collected);
        in_flight.spawn(self.clone().arrive(operation, chances.asker(index), due));
    }

    /// Does an arrival's operation once its session is free, and counts what came of it.
    async fn arrive(self: Arc<Self>, operation: usize, asker: Asker, due: Duration) {
        let deadline = self.profile.deadline();
        let free = tokio::time::timeout(deadline, self.sessions[asker.session as usize].lock()).await;
        let (done, unsettled) = if free.is_ok() {
            let step = &self.profile.operations[operation];
            self.wire.perform_as_senders_do(step, asker).await
        } else {
            let busy = Done {
                ok: false,
                what: What::None("session_busy"),
                service: Duration::ZERO,
                body: String::new(),
            };
            (busy, None)
        };
        drop(free);
        let latency = self.since_start().saturating_sub(due);
        self.collected().ended(operation, due, &done, latency);
        if let Some(filled) = unsettled {
            let step = &self.profile.operations[operation];
            self.wire.insist(step, asker, &filled).await;
        }
    }
}

impl Prepared {
    /// Offers the load. See [`run`].
    pub async fn run(self, mut stop: watch::Receiver<bool>, progress: impl Fn(&Second) + Send) -> Report {
        let running = Arc::new(Running {
            collected: Mutex::new(Collected::new(self.profile.operations.len())),
            sessions: (0..self.profile.sessions)
                .map(|_| tokio::sync::Mutex::new(()))
                .collect(),
            start: self.wire.clock.monotonic(),
            profile: self.profile.clone(),
            wire: self.wire.clone(),
        });
        let mut due = clockwork(&self.profile, self.wire.clock.clone(), running.start);
        let chances = Chances::of(&self.profile);
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.tick().await;
        let mut fresh = running.start;
        let mut in_flight = JoinSet::new();
        let mut stopped = false;
        loop {
            tokio::select! {
                arrival = due.recv() => {
                    let Some((index, at)) = arrival else { break };
                    running.take(&chances, index, at, &mut in_flight);
                }
                _ = tick.tick() => {
                    let second = running.collected().second();
                    progress(&second);
                    self.refresh(&mut fresh);
                    while in_flight.try_join_next().is_some() {}
                }
                () = told(&mut stop) => {
                    stopped = true;
                    break;
                }
            }
        }
        drop(due);
        while !in_flight.is_empty() {
            tokio::select! {
                _ = in_flight.join_next() => {}
                _ = tick.tick() => {
                    let second = running.collected().second();
                    progress(&second);
                }
            }
        }
        let rest = running.collected().rest();
        if let Some(second) = rest {
            progress(&second);
        }
        let elapsed = running.since_start();
        let collected = std::mem::replace(&mut *running.collected(), Collected::new(0));
        let mut report = collected.report(&self.profile, &self.target.url);
        report.started_us = u64::try_from(running.start.as_micros()).unwrap_or(u64::MAX);
        report.elapsed_s = elapsed.as_secs_f64();
        report.stopped = stopped;
        if let Some(recorder) = &self.wire.recorder {
            self.wire.note(recorder.flush());
        }
        report.history_error = self.wire.history_error.get().cloned();
        report
    }

    /// Gets a new token in the background where the one there is grows old. One that cannot be had shows in the answers.
    fn refresh(&self, fresh: &mut Duration) {
        let now = self.wire.clock.monotonic();
        let (Some(source), true) = (
            self.target.token.clone(),
            now.saturating_sub(*fresh) >= TOKEN_FRESH,
        ) else {
            return;
        };
        *fresh = now;
        let wire = self.wire.clone();
        tokio::spawn(async move {
            if let Ok(token) = fetch(source).await {
                *wire.token.write().unwrap_or_else(PoisonError::into_inner) = Some(token);
            }
        });
    }
}

/// Waits until it is told to stop; for ever, where nobody is left who could.
async fn told(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Gives each arrival at its time. A thread of its own, for the runtime's timer is a millisecond late.
fn clockwork(profile: &Profile, clock: SharedClock, start: Duration) -> mpsc::Receiver<(u64, Duration)> {
    let (sender, receiver) = mpsc::channel(DUE_MAX);
    let offered = profile.arrivals.offered(profile.seed);
    let give = move || {
        for (index, at) in (0_u64..).zip(offered) {
            loop {
                let wait = (start + at).saturating_sub(clock.monotonic());
                if wait.is_zero() {
                    break;
                }
                if sender.is_closed() {
                    return;
                }
                std::thread::park_timeout(wait.min(LOOK_EVERY));
            }
            if sender.blocking_send((index, at)).is_err() {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("load-clockwork".to_owned());
    // Without a thread nothing arrives, and a load that offered nothing has not passed.
    drop(thread.spawn(give));
    receiver
}
