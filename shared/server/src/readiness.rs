//! Whether the engines a role needs can be used right now.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clock::SharedClock;

type Probe = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// The checks behind `/readyz`. Each runs in the background, so that the answer is instant and a stalled engine
/// cannot stall it.
///
/// A loss shows within `interval + timeout`, and so does a recovery; a probe that blocks its thread and never answers shows
/// after twice that, for a verdict that old is no verdict. With 500 ms each, that is within the 2 s we promise.
pub struct Readiness {
    clock: SharedClock,
    checks: Vec<Arc<Check>>,
}

struct Check {
    name: &'static str,
    interval: Duration,
    timeout: Duration,
    probe: Probe,
    need: Need,
    verdict: Mutex<Verdict>,
}

/// What a role can do without an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Nothing worth sending requests for.
    Required,
    /// Most: to take the role out of its load balancer would make a smaller loss a larger one.
    Degrades,
}

#[derive(Clone)]
struct Verdict {
    result: Result<(), String>,
    at: Duration,
}

impl Readiness {
    /// Ready as soon as it serves, until a check is added.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            checks: Vec::new(),
        }
    }

    /// Adds a check. `probe` is run every `interval` and given `timeout`; its error is for the operator. Until it has
    /// answered once, the role is not ready.
    #[must_use]
    pub fn check<F, Fut>(self, name: &'static str, interval: Duration, timeout: Duration, probe: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.watching(Need::Required, name, interval, timeout, probe)
    }

    /// Adds a check of something that the role can do without for a while: while it fails the role is ready all the same, and
    /// `/readyz` says what is missing.
    #[must_use]
    pub fn degraded_by<F, Fut>(
        self,
        name: &'static str,
        interval: Duration,
        timeout: Duration,
        probe: F,
    ) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.watching(Need::Degrades, name, interval, timeout, probe)
    }

    fn watching<F, Fut>(
        mut self,
        need: Need,
        name: &'static str,
        interval: Duration,
        timeout: Duration,
        probe: F,
    ) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        let verdict = Verdict {
            result: Err("not probed yet".to_owned()),
            at: self.clock.monotonic(),
        };
        self.checks.push(Arc::new(Check {
            name,
            interval,
            timeout,
            probe: Arc::new(move || Box::pin(probe())),
            need,
            verdict: Mutex::new(verdict),
        }));
        self
    }

    /// Probes at once, then at each interval, for as long as it is polled.
    pub(crate) async fn watch(&self) {
        let mut tasks = tokio::task::JoinSet::new();
        for check in &self.checks {
            tasks.spawn(Arc::clone(check).keep_probing(Arc::clone(&self.clock)));
        }
        // A probe that panics has its verdict grow old, which is the right verdict; the others go on.
        while tasks.join_next().await.is_some() {}
        std::future::pending::<()>().await;
    }

    /// The failing checks without which it is not ready, each with its reason; empty when ready.
    pub(crate) fn failures(&self) -> Vec<(&'static str, String)> {
        self.failing(Need::Required)
    }

    /// The failing checks that it is ready without, each with its reason.
    pub(crate) fn losses(&self) -> Vec<(&'static str, String)> {
        self.failing(Need::Degrades)
    }

    fn failing(&self, need: Need) -> Vec<(&'static str, String)> {
        let now = self.clock.monotonic();
        self.checks
            .iter()
            .filter(|check| check.need == need)
            .filter_map(|check| Some((check.name, check.failure(now)?)))
            .collect()
    }
}

impl Check {
    async fn keep_probing(self: Arc<Self>, clock: SharedClock) {
        loop {
            let result = match tokio::time::timeout(self.timeout, (self.probe)()).await {
                Ok(result) => result,
                Err(_elapsed) => Err(format!("no answer within {} ms", self.timeout.as_millis())),
            };
            self.note(result, clock.monotonic());
            tokio::time::sleep(self.interval).await;
        }
    }

    fn note(&self, result: Result<(), String>, at: Duration) {
        let mut verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        match (&verdict.result, &result) {
            (Ok(()), Err(reason)) => {
                tracing::warn!(check = self.name, reason, need = ?self.need, "a check fails");
            }
            (Err(_), Ok(())) => tracing::info!(check = self.name, "the check passes"),
            _ => {}
        }
        *verdict = Verdict { result, at };
    }

    fn failure(&self, now: Duration) -> Option<String> {
        let verdict = self
            .verdict
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        match verdict.result {
            Err(reason) => Some(reason),
            Ok(()) if now.saturating_sub(verdict.at) > 2 * (self.interval + self.timeout) => {
                Some("its probe has stopped answering".to_owned())
            }
            Ok(()) => None,
        }
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.checks.iter().map(|check| check.name))
            .finish()
    }
}
