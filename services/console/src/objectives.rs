//! How each objective stands: the burn rates come from `slo`, as Prometheus would have them; kept here is the last hour.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use slo::{Alert, Evaluator, Objective, Policy, ServiceObjectives, Severity};

use crate::model::{AlertView, ObjectivePoint, ObjectiveState, ObjectiveView, WindowView};

/// Points of an objective's chart, at least ten seconds apart: an hour.
const POINTS_MAX: usize = 360;
const POINT_EVERY: Duration = Duration::from_secs(10);
/// The shortest stretch of a scaled policy still wants a point now and then.
const POINT_EVERY_SCALED: Duration = Duration::from_secs(1);

/// Every objective.
#[derive(Debug)]
pub(crate) struct Objectives {
    all: Vec<Objective>,
    policy: Policy,
    divisor: u32,
    evaluator: Evaluator,
    history: HashMap<String, VecDeque<ObjectivePoint>>,
    last_point: Option<Duration>,
}

impl Objectives {
    /// With every window divided by `divisor`.
    pub(crate) fn new(services: Vec<ServiceObjectives>, divisor: u32) -> Self {
        let divisor = divisor.max(1);
        let mut objectives: Vec<Objective> = services
            .into_iter()
            .flat_map(|service| service.objectives)
            .collect();
        for objective in &mut objectives {
            objective.window /= divisor;
        }
        let policy = Policy::standard().scaled(divisor);
        Self {
            evaluator: Evaluator::new(objectives.clone(), policy.clone()),
            all: objectives,
            policy,
            divisor,
            history: HashMap::new(),
            last_point: None,
        }
    }

    /// Takes what a target showed.
    pub(crate) fn ingest(
        &mut self,
        now: Duration,
        job: &str,
        instance: &str,
        samples: &[slo::exposition::Sample],
    ) {
        self.evaluator.ingest(now, job, instance, samples);
    }

    /// Notes how everything stands; once a round of scrapes.
    pub(crate) fn note(&mut self, now: Duration, unix_ms: u64) {
        let every = if self.divisor == 1 {
            POINT_EVERY
        } else {
            POINT_EVERY_SCALED
        };
        if self
            .last_point
            .is_some_and(|last| now.saturating_sub(last) < every)
        {
            return;
        }
        self.last_point = Some(now);
        for objective in &self.all {
            let (long_burns, short_burns) = self.burns(&objective.name, now).into_iter().unzip();
            let point = ObjectivePoint {
                at_unix_ms: unix_ms,
                budget_left: self.evaluator.budget_left(&objective.name, now),
                long_burns,
                short_burns,
            };
            let points = self.history.entry(objective.name.clone()).or_default();
            if points.len() == POINTS_MAX {
                points.pop_front();
            }
            points.push_back(point);
        }
    }

    /// Over the long and the short window of each pair.
    fn burns(&self, objective: &str, now: Duration) -> Vec<(Option<f64>, Option<f64>)> {
        let burn = |window| self.evaluator.burn_rate(objective, window, now);
        let pairs = self.policy.windows.iter();
        pairs.map(|pair| (burn(pair.long), burn(pair.short))).collect()
    }

    pub(crate) fn objective(&self, name: &str) -> Option<&Objective> {
        self.all.iter().find(|objective| objective.name == name)
    }

    /// All of them, the worst first.
    pub(crate) fn views(&self, now: Duration) -> Vec<ObjectiveView> {
        let alerts = self.evaluator.alerts(now);
        let mut views: Vec<ObjectiveView> = self
            .all
            .iter()
            .map(|objective| self.view(objective, &alerts, now))
            .collect();
        views.sort_by(|one, two| {
            let left = |view: &ObjectiveView| view.budget_left.unwrap_or(1.0);
            one.state.cmp(&two.state).then(left(one).total_cmp(&left(two)))
        });
        views
    }

    /// One of them.
    pub(crate) fn named(&self, name: &str, now: Duration) -> Option<ObjectiveView> {
        let objective = self.objective(name)?;
        Some(self.view(objective, &self.evaluator.alerts(now), now))
    }

    fn view(&self, objective: &Objective, alerts: &[Alert], now: Duration) -> ObjectiveView {
        let burns = self.burns(&objective.name, now);
        let windows: Vec<WindowView> = self
            .policy
            .windows
            .iter()
            .zip(burns)
            .map(|(pair, (long_burn, short_burn))| {
                let above = |burn: Option<f64>| burn.is_some_and(|burn| burn > pair.burn_rate);
                WindowView {
                    severity: severity(pair.severity),
                    threshold: pair.burn_rate,
                    long_s: pair.long.as_secs_f64(),
                    short_s: pair.short.as_secs_f64(),
                    long_burn,
                    short_burn,
                    burning: above(long_burn) && above(short_burn),
                }
            })
            .collect();
        let alerts: Vec<AlertView> = alerts
            .iter()
            .filter(|alert| alert.objective == objective.name)
            .map(|alert| AlertView {
                name: alert.name.clone(),
                severity: severity(alert.severity),
                firing: alert.firing,
            })
            .collect();
        let budget_left = self.evaluator.budget_left(&objective.name, now);
        ObjectiveView {
            state: state(&alerts, budget_left),
            name: objective.name.clone(),
            service: objective.service.clone(),
            title: objective.title.clone(),
            description: objective.description.clone(),
            target: objective.target,
            window_s: objective.window.as_secs_f64(),
            window_divisor: self.divisor,
            budget_left,
            windows,
            alerts,
            runbook: format!("docs/runbooks/{}.md", objective.name),
            history: self
                .history
                .get(&objective.name)
                .map(|points| points.iter().cloned().collect())
                .unwrap_or_default(),
        }
    }
}

fn state(alerts: &[AlertView], budget_left: Option<f64>) -> ObjectiveState {
    let fires = |severity| {
        alerts
            .iter()
            .any(|alert| alert.firing && alert.severity == severity)
    };
    match budget_left {
        _ if fires("page") => ObjectiveState::Page,
        _ if fires("ticket") => ObjectiveState::Ticket,
        Some(left) if left < 0.0 => ObjectiveState::Overspent,
        Some(_) => ObjectiveState::Healthy,
        None => ObjectiveState::NoData,
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Page => "page",
        Severity::Ticket => "ticket",
    }
}
