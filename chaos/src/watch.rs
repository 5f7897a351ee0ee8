//! Watches the objectives while a drill goes on: scrapes every role, and asks which alerts fire.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clock::SharedClock;
use serde::Serialize;
use slo::{Evaluator, Severity};
use tokio::sync::watch;

use crate::http;

/// How often every role is scraped: the shortest window has a few scrapes in it, brief forms included.
pub(crate) const SCRAPE_EVERY: Duration = Duration::from_millis(250);
const SCRAPE_TIMEOUT: Duration = Duration::from_millis(500);

/// An alert that fired, in seconds since the load began.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SeenAlert {
    /// Its name.
    pub name: String,
    /// Whose budget burns.
    pub objective: String,
    /// `page` or `ticket`.
    pub severity: String,
    /// When it was first seen to fire.
    pub from_s: f64,
    /// When it was seen to fire no more; `None`: it still did at the end.
    pub cleared_s: Option<f64>,
    /// The highest burn rate seen over its long window.
    pub burn_max: f64,
}

/// Every alert so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Alerts(Arc<Mutex<BTreeMap<String, SeenAlert>>>);

impl Alerts {
    pub(crate) fn seen(&self) -> Vec<SeenAlert> {
        let alerts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen: Vec<SeenAlert> = alerts.values().cloned().collect();
        seen.sort_by(|one, other| one.from_s.total_cmp(&other.from_s));
        seen
    }

    /// Whether some alert of this objective has fired and fires no more.
    pub(crate) fn has_cleared(&self, objective: &str, severity: &str) -> bool {
        self.seen().iter().any(|alert| {
            alert.objective == objective && alert.severity == severity && alert.cleared_s.is_some()
        })
    }

    fn note(&self, now: Duration, alerts: &[slo::Alert]) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for alert in alerts {
            let burn = alert.long_burn.unwrap_or(0.0);
            match seen.get_mut(&alert.name) {
                Some(known) if alert.firing => {
                    known.cleared_s = None;
                    known.burn_max = known.burn_max.max(burn);
                }
                Some(known) => _ = known.cleared_s.get_or_insert(now.as_secs_f64()),
                None if alert.firing => {
                    let fresh = SeenAlert {
                        name: alert.name.clone(),
                        objective: alert.objective.clone(),
                        severity: word(alert.severity).to_owned(),
                        from_s: now.as_secs_f64(),
                        cleared_s: None,
                        burn_max: burn,
                    };
                    seen.insert(alert.name.clone(), fresh);
                }
                None => {}
            }
        }
    }
}

pub(crate) fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Page => "page",
        Severity::Ticket => "ticket",
    }
}

/// Scrapes until it is told to stop. A role that does not answer exports nothing, as in production.
pub(crate) async fn follow(
    mut evaluator: Evaluator,
    ports: Vec<(String, u16)>,
    alerts: Alerts,
    clock: SharedClock,
    start: Duration,
    mut stop: watch::Receiver<bool>,
) {
    let mut tick = tokio::time::interval(SCRAPE_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            // An error: whoever could say so is gone.
            changed = stop.changed() => {
                if changed.is_err() || *stop.borrow() {
                    return;
                }
            }
        }
        let scrapes = ports.iter().map(|(role, port)| async move {
            let answer = http::get(*port, "/metrics", SCRAPE_TIMEOUT).await;
            (role, port, answer)
        });
        for (role, port, answer) in futures::future::join_all(scrapes).await {
            if let Ok((200, text)) = answer {
                let at = clock.monotonic();
                let samples = slo::exposition::parse(&text);
                evaluator.ingest(at, role, &format!("127.0.0.1:{port}"), &samples);
            }
        }
        let now = clock.monotonic();
        alerts.note(now.saturating_sub(start), &evaluator.alerts(now));
    }
}
