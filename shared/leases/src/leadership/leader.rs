//! The loop that keeps one duty of a process: takes it, renews it, works while it leads, gives it up.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use clock::SharedClock;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use telemetry::Telemetry;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::error::LOST;
use super::metrics::Metrics;
use crate::{Duty, DutyFailed, Leadership, LeadershipError, LeadershipStore, Pace};

/// How a duty is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LeaderSettings {
    /// For how long a duty is taken: so long nobody does it after its leader died. It is renewed each third of that.
    pub ttl_ms: u64,
    /// Pause between two tries to take it, or to renew it after a failure.
    pub retry_ms: u64,
    /// Pause between two steps of the duty, unless it says that there is more to do.
    pub tick_ms: u64,
    /// How long one step may take before it is given up.
    pub tick_timeout_ms: u64,
}

impl Default for LeaderSettings {
    fn default() -> Self {
        Self {
            ttl_ms: 10_000,
            retry_ms: 1_000,
            tick_ms: 1_000,
            tick_timeout_ms: 30_000,
        }
    }
}

impl LeaderSettings {
    fn ttl(&self) -> Duration {
        Duration::from_millis(self.ttl_ms)
    }

    fn retry(&self) -> Duration {
        Duration::from_millis(self.retry_ms.max(1))
    }

    fn renew_pause(&self) -> Duration {
        Duration::from_millis((self.ttl_ms / 3).max(1))
    }
}

/// One process's candidate for one duty.
#[derive(Debug)]
pub struct Leader {
    store: Arc<dyn LeadershipStore>,
    clock: SharedClock,
    settings: LeaderSettings,
    name: String,
    holder: String,
    metrics: Metrics,
}

/// What the process believes, by its monotonic clock.
#[derive(Debug, Clone, Copy)]
struct Belief {
    until: Duration,
    lost: bool,
}

/// A watched state that is waited for; a sender that is gone has said it.
async fn told<T>(word: &mut watch::Receiver<T>, said: impl FnMut(&T) -> bool) {
    let _ = word.wait_for(said).await;
}

impl Leader {
    /// A candidate for the duty `name`. `process` is for people who look into the record; the holder's name is made unique.
    pub fn new(
        store: Arc<dyn LeadershipStore>,
        clock: SharedClock,
        settings: LeaderSettings,
        name: impl Into<String>,
        process: &str,
        telemetry: &Telemetry,
    ) -> Self {
        let (name, metrics) = (name.into(), Metrics::of(telemetry));
        metrics.begun(&name);
        Self {
            store,
            clock,
            settings,
            name,
            holder: format!("{process}-{:016x}", rand::random::<u64>()),
            metrics,
        }
    }

    /// Does the duty whenever this process leads, until `stop` is ready; then ends the step that is under way and gives the duty
    /// up. A database that is away is tried again for as long as it takes.
    pub async fn run(self, mut duty: impl Duty, stop: impl Future<Output = ()> + Send) {
        let (stopping, stopped) = watch::channel(false);
        let mut terms = pin!(self.terms(&mut duty, stopped));
        tokio::select! {
            () = stop => {}
            () = &mut terms => return,
        }
        stopping.send_replace(true);
        terms.await;
    }

    async fn terms(&self, duty: &mut impl Duty, mut stopped: watch::Receiver<bool>) {
        // A failing store is said when it begins to fail and when it ends, not once a second.
        let mut failing = None;
        while !*stopped.borrow() {
            let asked = self.clock.monotonic();
            let (now_ms, ttl_ms) = (self.clock.unix_ms(), self.settings.ttl_ms);
            match self
                .store
                .try_take(&self.name, &self.holder, now_ms, ttl_ms)
                .await
            {
                Ok(Some(leadership)) => {
                    failing = None;
                    self.term(leadership, asked, duty, &stopped).await;
                }
                Ok(None) => failing = None,
                Err(error) => {
                    if failing.replace(error.code()) != Some(error.code()) {
                        tracing::warn!(duty = self.name, %error, code = error.code(), "leadership cannot be asked for");
                    }
                }
            }
            tokio::select! {
                () = told(&mut stopped, |stopped| *stopped) => {}
                () = sleep(self.settings.retry()) => {}
            }
        }
    }

    /// From taking the duty to its loss or its release.
    async fn term(
        &self,
        leadership: Leadership,
        asked: Duration,
        duty: &mut impl Duty,
        stopped: &watch::Receiver<bool>,
    ) {
        tracing::debug!(duty = self.name, fence = leadership.fence, "this process leads");
        self.metrics.taken(&leadership);
        let (believe, belief) = watch::channel(Belief {
            until: asked + self.settings.ttl(),
            lost: false,
        });
        let (end, ended) = watch::channel(false);
        let doubt = Notify::new();
        let work = async {
            self.work(&leadership, duty, belief.clone(), &doubt, stopped.clone())
                .await;
            end.send_replace(true);
        };
        tokio::join!(self.keep(&leadership, &believe, &doubt, ended), work);
        let outcome = if belief.borrow().lost {
            "lost"
        } else {
            match self.store.release(&leadership).await {
                Ok(()) => "released",
                Err(error) => {
                    tracing::warn!(duty = self.name, %error, code = error.code(), "leadership was not given up and lasts for its time");
                    "unreleased"
                }
            }
        };
        self.metrics.ended(&self.name, outcome);
        tracing::debug!(
            duty = self.name,
            fence = leadership.fence,
            outcome,
            "this process leads no more"
        );
    }

    /// Renews until the work has ended or the duty is lost.
    async fn keep(
        &self,
        leadership: &Leadership,
        believe: &watch::Sender<Belief>,
        doubt: &Notify,
        mut ended: watch::Receiver<bool>,
    ) {
        let mut pause = self.settings.renew_pause();
        loop {
            tokio::select! {
                () = told(&mut ended, |ended| *ended) => return,
                () = doubt.notified() => {}
                () = sleep(pause) => {}
            }
            let (asked, now_ms) = (self.clock.monotonic(), self.clock.unix_ms());
            let renewed = self.store.renew(leadership, now_ms, self.settings.ttl_ms).await;
            let outcome = renewed.as_ref().err().map_or("ok", LeadershipError::code);
            self.metrics.renewed(&self.name, outcome);
            pause = self.settings.renew_pause();
            match renewed {
                Ok(_) => believe.send_modify(|belief| belief.until = asked + self.settings.ttl()),
                Err(LeadershipError::Lost { .. }) => {
                    believe.send_modify(|belief| belief.lost = true);
                    return;
                }
                Err(error) => {
                    tracing::warn!(duty = self.name, %error, code = error.code(), "leadership is not renewed");
                    pause = pause.min(self.settings.retry());
                }
            }
        }
    }

    /// Steps of the duty, until this process leads no more or is to stop.
    async fn work(
        &self,
        leadership: &Leadership,
        duty: &mut impl Duty,
        mut belief: watch::Receiver<Belief>,
        doubt: &Notify,
        mut stopped: watch::Receiver<bool>,
    ) {
        let mut failing = None;
        while !*stopped.borrow() {
            let Belief { until, lost } = *belief.borrow_and_update();
            if lost {
                return;
            }
            if failing == Some(LOST) || self.clock.monotonic() >= until {
                // A write was refused, or it slept, or the database is away: no step before it is renewed.
                failing = None;
                doubt.notify_one();
                tokio::select! {
                    changed = belief.changed() => if changed.is_err() { return },
                    () = told(&mut stopped, |stopped| *stopped) => return,
                }
                continue;
            }
            match self.tick(leadership, duty).await {
                Ok(Pace::Again) => {
                    failing = None;
                    tokio::task::yield_now().await;
                    continue;
                }
                Ok(Pace::Rest) => failing = None,
                Err(error) => {
                    if failing.replace(error.code) != Some(error.code) {
                        tracing::warn!(duty = self.name, %error, code = error.code, "a step of the duty failed");
                    }
                    if error.code == LOST {
                        continue;
                    }
                }
            }
            // What failed is not tried at once, however much there is to do.
            let woken = async {
                match failing {
                    None => duty.woken().await,
                    Some(_) => std::future::pending().await,
                }
            };
            tokio::select! {
                () = told(&mut stopped, |stopped| *stopped) => {}
                () = told(&mut belief, |belief| belief.lost) => {}
                () = sleep(Duration::from_millis(self.settings.tick_ms.max(1))) => {}
                () = woken => {}
            }
        }
    }

    async fn tick(&self, leadership: &Leadership, duty: &mut impl Duty) -> Result<Pace, DutyFailed> {
        let limit = Duration::from_millis(self.settings.tick_timeout_ms.max(1));
        let ticked = timeout(limit, duty.tick(leadership)).await.unwrap_or_else(|_| {
            Err(DutyFailed {
                code: "duty_timeout",
                detail: format!("a step took longer than {limit:?} and was given up"),
            })
        });
        let outcome = ticked.as_ref().err().map_or("ok", |error| error.code);
        self.metrics.ticked(&self.name, outcome);
        ticked
    }
}
