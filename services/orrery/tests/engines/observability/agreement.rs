//! The console's burn rates are Prometheus's: both are asked about one recorded run, window by window, moment by moment.
//!
//! Recorded means what Prometheus itself has stored: its samples, with its timestamps, go through the evaluator that the console and
//! the drills use; then both are asked the same question about the same moment.

use std::time::Duration;

use slo::exposition::Sample;
use slo::{Evaluator, Objective, Policy, ServiceObjectives};
use testkit::watchers::{Prometheus, Recorded};

/// How far the two may be from each other, as a share of what Prometheus says.
const APART_MAX: f64 = 0.01;
/// Below this burn rate a share says nothing: it is compared as it is.
const SMALL: f64 = 0.01;
/// Between two moments that are asked about; no divisor of the interval between scrapes.
const STEP: Duration = Duration::from_millis(1_700);

/// Compares the last `run` of what Prometheus recorded, at the policy's windows; says how much was compared.
pub(super) async fn check(prometheus: &Prometheus, policy: Policy, run: Duration) -> String {
    let objectives: Vec<Objective> = [
        gateway::OBJECTIVES,
        issuer::OBJECTIVES,
        shortener::OBJECTIVES,
        payment::OBJECTIVES,
        processor::OBJECTIVES,
    ]
    .into_iter()
    .flat_map(|text| ServiceObjectives::parse(text).expect("the objectives").objectives)
    .collect();
    let now = prometheus.now().await.expect("Prometheus tells the time");
    let samples = recorded(prometheus, &objectives, run).await;
    let mut evaluator = Evaluator::new(objectives.clone(), policy.clone());
    let mut windows: Vec<Duration> = policy.windows.iter().flat_map(|w| [w.short, w.long]).collect();
    windows.sort();
    windows.dedup();
    let mut fed = samples.iter().peekable();
    let (mut compared, mut burning, mut apart_most) = (0, 0, 0.0_f64);
    let mut at = now.saturating_sub(run);
    while at < now {
        while let Some(next) = fed.next_if(|sample| sample.at <= at) {
            evaluator.ingest(
                next.at,
                &next.job,
                &next.instance,
                std::slice::from_ref(&next.sample),
            );
        }
        for objective in &objectives {
            for window in &windows {
                let theirs = burn_rate(prometheus, objective, *window, at).await;
                let ours = evaluator.burn_rate(&objective.name, *window, at);
                let (Some(theirs), Some(ours)) = (theirs, ours) else {
                    assert_eq!(
                        theirs.is_some(),
                        ours.is_some(),
                        "{} over {window:?}: {theirs:?}, {ours:?}",
                        objective.name
                    );
                    continue;
                };
                let apart = (ours - theirs).abs() / theirs.max(SMALL);
                assert!(
                    apart <= APART_MAX,
                    "{} over {window:?}: Prometheus says {theirs}, the console's evaluator {ours}",
                    objective.name
                );
                compared += 1;
                burning += usize::from(theirs > 1.0);
                apart_most = apart_most.max(apart);
            }
        }
        at += STEP;
    }
    assert!(
        burning > 50,
        "only {burning} of {compared} burn rates were above 1: nothing was shown"
    );
    format!(
        "{compared} burn rates compared, {burning} of them above 1; at most {:.4} % apart",
        apart_most * 100.0
    )
}

struct Stored {
    at: Duration,
    job: String,
    instance: String,
    sample: Sample,
}

/// What Prometheus has of the counters that the objectives need, oldest first.
async fn recorded(prometheus: &Prometheus, objectives: &[Objective], run: Duration) -> Vec<Stored> {
    let mut metrics: Vec<&str> = objectives
        .iter()
        .flat_map(|o| [o.good.metric.as_str(), o.total.metric.as_str()])
        .collect();
    metrics.sort_unstable();
    metrics.dedup();
    let mut stored = Vec::new();
    for metric in metrics {
        // With what came before: a window that begins in the run reaches back behind it.
        for series in prometheus
            .recorded(metric, run * 4)
            .await
            .expect("recorded samples")
        {
            stored.extend(of_series(metric, &series));
        }
    }
    stored.sort_by_key(|one| one.at);
    assert!(
        stored.len() > 1_000,
        "only {} samples were recorded",
        stored.len()
    );
    stored
}

fn of_series(metric: &str, series: &Recorded) -> Vec<Stored> {
    let label = |name: &str| series.labels.get(name).cloned().unwrap_or_default();
    let own: Vec<(String, String)> = series
        .labels
        .iter()
        .filter(|(name, _)| !["__name__", "job", "instance"].contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let samples = series.points.iter().map(|(at, value)| Stored {
        at: *at,
        job: label("job"),
        instance: label("instance"),
        sample: Sample {
            name: metric.to_owned(),
            labels: own.clone(),
            value: *value,
        },
    });
    samples.collect()
}

/// As Prometheus has it; `None` without requests.
async fn burn_rate(
    prometheus: &Prometheus,
    objective: &Objective,
    window: Duration,
    at: Duration,
) -> Option<f64> {
    let (good, total, ms) = (&objective.good, &objective.total, window.as_millis());
    let rate = |what| format!("sum(rate({what}[{ms}ms]))");
    let budget = 1.0 - objective.target;
    // A status that never was a good one has no series: that is a rate of nothing.
    let expr = format!(
        "(1 - ({good} or vector(0)) / {total}) / {budget}",
        good = rate(good),
        total = rate(total)
    );
    let answer = prometheus
        .query_at(&expr, at.as_secs_f64())
        .await
        .expect("a burn rate");
    answer
        .first()
        .map(|(_, value)| *value)
        .filter(|value| value.is_finite())
}
