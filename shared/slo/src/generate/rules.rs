//! Prometheus recording rules and alerts: the multi-window, multi-burn-rate form of "The Site Reliability Workbook",
//! chapter 5, on ratios that are recorded once.

use std::fmt::Write as _;
use std::time::Duration;

use super::{GENERATED, duration, quoted};
use crate::{BurnWindow, Objective, Policy, ServiceObjectives, Severity, SloError, alert_name};

/// A recorded ratio must still be there when an alert looks at it: Prometheus looks back for five minutes.
const SLOW_GROUP_INTERVAL: Duration = Duration::from_secs(150);

/// `infra/prometheus/rules/<service>.yaml`.
///
/// Three groups: what pages is evaluated as often as Prometheus evaluates, what makes tickets and the budget every 150 s, for
/// their windows are long and dear.
///
/// # Errors
///
/// An objective of which even a total outage would not burn its budget fast enough to page.
pub fn rules(service: &ServiceObjectives, policy: &Policy) -> Result<String, SloError> {
    for objective in &service.objectives {
        check(objective, policy)?;
    }
    let name = &service.service;
    let mut text = format!("# The objectives of {name} (services/{name}/slo.yaml). {GENERATED}\ngroups:\n");
    let mut recorded = Vec::new();
    for severity in Severity::ALL {
        let mut windows: Vec<Duration> = policy
            .of(severity)
            .flat_map(|pair| [pair.short, pair.long])
            .collect();
        windows.sort_unstable();
        windows.dedup();
        windows.retain(|window| !recorded.contains(window));
        recorded.extend(&windows);
        let _ = writeln!(text, "  - name: {name}-{severity}s");
        if severity == Severity::Ticket {
            let _ = writeln!(text, "    interval: {}", duration(slow_interval(policy)));
        }
        text.push_str("    rules:\n");
        for objective in &service.objectives {
            for window in &windows {
                ratio(&mut text, objective, *window, *window == shortest(policy));
            }
            alert(&mut text, objective, severity, policy);
        }
    }
    let _ = writeln!(
        text,
        "  - name: {name}-budget\n    interval: {}\n    rules:",
        duration(slow_interval(policy))
    );
    for objective in &service.objectives {
        budget(&mut text, objective, policy);
    }
    Ok(text)
}

/// The name under which the share of bad events over a window is recorded: `slo:sli_error:ratio_rate5m`.
pub fn ratio_name(window: Duration) -> String {
    format!("slo:sli_error:ratio_rate{}", duration(window))
}

/// The share of the budget that is left, as it is recorded.
pub const BUDGET_NAME: &str = "slo:error_budget:remaining";

/// An alert's labels, which is also how Alertmanager routes it.
pub(super) fn labels(objective: &Objective, severity: Severity) -> [(&'static str, String); 3] {
    [
        ("severity", severity.to_string()),
        ("service", objective.service.clone()),
        ("objective", objective.name.clone()),
    ]
}

/// What a person reads; the same always, for the tests of the rules compare it.
pub(super) fn annotations(
    objective: &Objective,
    severity: Severity,
    policy: &Policy,
) -> [(&'static str, String); 3] {
    let pairs: Vec<String> = policy.of(severity).map(|pair| told(pair, policy)).collect();
    [
        (
            "summary",
            format!("{}: the error budget burns too fast", objective.title),
        ),
        (
            "description",
            format!(
                "{} The target is {} over {}. The burn rate is above {}.",
                objective.description,
                percent(objective.target),
                duration(policy.budget_window),
                pairs.join(", or above ")
            ),
        ),
        ("runbook_url", format!("docs/runbooks/{}.md", objective.name)),
    ]
}

/// One pair in words, with what of the budget it costs to get there.
fn told(pair: &BurnWindow, policy: &Policy) -> String {
    let cost = pair.burn_rate * pair.long.as_secs_f64() / policy.budget_window.as_secs_f64();
    format!(
        "{} over {} and {} ({} of the budget)",
        pair.burn_rate,
        duration(pair.long),
        duration(pair.short),
        percent(cost)
    )
}

/// 0.9995 as 99.95 %.
pub fn percent(share: f64) -> String {
    let text = format!("{:.4}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

fn shortest(policy: &Policy) -> Duration {
    policy.durations().first().copied().unwrap_or_default()
}

/// As often as the long windows need; scaled with them, and so also within what Prometheus looks back for.
fn slow_interval(policy: &Policy) -> Duration {
    let standard = Policy::standard().budget_window.as_secs_f64();
    SLOW_GROUP_INTERVAL.mul_f64((policy.budget_window.as_secs_f64() / standard).min(1.0))
}

fn check(objective: &Objective, policy: &Policy) -> Result<(), SloError> {
    let highest = policy
        .windows
        .iter()
        .map(|pair| pair.burn_rate)
        .fold(0.0, f64::max);
    if highest * objective.budget() < 1.0 {
        return Ok(());
    }
    Err(SloError::Objective {
        name: objective.name.clone(),
        what: format!(
            "with a target of {} a total outage burns the budget only {:.1} times too fast, and the page needs {highest}: \
             choose a higher target",
            percent(objective.target),
            1.0 / objective.budget()
        ),
    })
}

/// The share of bad events over one window. Of the shortest also both counts, of which the budget is made.
fn ratio(text: &mut String, objective: &Objective, window: Duration, with_counts: bool) {
    let window_text = duration(window);
    let total = format!("sum(rate({}[{window_text}]))", objective.total);
    // Without any good event that series may not exist at all: that is a total outage, and not nothing to tell.
    let good = format!("(sum(rate({}[{window_text}])) or vector(0))", objective.good);
    // A series that appears in the middle of a window is extrapolated by itself; that may not make a negative share.
    let bad = format!("clamp_min({total} - {good}, 0)");
    if with_counts {
        record(text, objective, &format!("slo:sli_error:rate{window_text}"), &bad);
        record(
            text,
            objective,
            &format!("slo:sli_total:rate{window_text}"),
            &total,
        );
        let of = |name: &str| format!("slo:{name}:rate{window_text}{{objective=\"{}\"}}", objective.name);
        let expr = format!("{} / ({} > 0)", of("sli_error"), of("sli_total"));
        record(text, objective, &ratio_name(window), &expr);
    } else {
        record(
            text,
            objective,
            &ratio_name(window),
            &format!("{bad} / ({total} > 0)"),
        );
    }
}

/// A month of raw samples is more than a Prometheus should read for one number: it is made of the shortest window's rates, which
/// weighs each event the same and smears it over that window.
fn budget(text: &mut String, objective: &Objective, policy: &Policy) {
    let (short, month) = (duration(shortest(policy)), duration(policy.budget_window));
    let sum = |name: &str| {
        format!(
            "sum_over_time(slo:{name}:rate{short}{{objective=\"{}\"}}[{month}])",
            objective.name
        )
    };
    let ratio = ratio_name(policy.budget_window);
    record(
        text,
        objective,
        &ratio,
        &format!("{} / ({} > 0)", sum("sli_error"), sum("sli_total")),
    );
    let left = format!(
        "1 - {ratio}{{objective=\"{}\"}} / (1 - {})",
        objective.name, objective.target
    );
    record(text, objective, BUDGET_NAME, &left);
}

fn record(text: &mut String, objective: &Objective, name: &str, expr: &str) {
    let _ = write!(
        text,
        "      - record: {name}\n        expr: {}\n        labels: {{service: {}, objective: {}}}\n",
        quoted(expr),
        objective.service,
        objective.name
    );
}

fn alert(text: &mut String, objective: &Objective, severity: Severity, policy: &Policy) {
    let over = |window, rate: f64| {
        format!(
            "{}{{objective=\"{}\"}} > {rate} * (1 - {})",
            ratio_name(window),
            objective.name,
            objective.target
        )
    };
    let pairs: Vec<String> = policy
        .of(severity)
        .map(|pair| {
            format!(
                "({} and {})",
                over(pair.long, pair.burn_rate),
                over(pair.short, pair.burn_rate)
            )
        })
        .collect();
    let _ = writeln!(
        text,
        "      - alert: {}\n        expr: >-",
        alert_name(objective, severity)
    );
    let _ = writeln!(text, "          {}", pairs.join("\n          or "));
    for (title, pairs) in [
        ("labels", labels(objective, severity)),
        ("annotations", annotations(objective, severity, policy)),
    ] {
        let _ = writeln!(text, "        {title}:");
        for (name, value) in pairs {
            let _ = writeln!(text, "          {name}: {}", quoted(&value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> ServiceObjectives {
        ServiceObjectives::parse(include_str!("../../tests/shop.yaml")).unwrap()
    }

    #[test]
    fn every_window_is_recorded_once_an_objective_and_every_alert_has_its_runbook() {
        let policy = Policy::standard();
        let text = rules(&shop(), &policy).unwrap();
        for window in policy.durations() {
            let recorded = format!("record: {}\n", ratio_name(window));
            assert_eq!(text.matches(&recorded).count(), 2, "{recorded}");
        }
        assert_eq!(text.matches("- alert: ").count(), 4);
        assert_eq!(
            text.matches("runbook_url: 'docs/runbooks/shop-orders-fast.md'")
                .count(),
            2
        );
        assert!(text.contains("(2 % of the budget), or above 6 over 6h and 30m (5 % of the budget)"));
    }

    #[test]
    fn scaled_rules_have_the_same_rates_over_shorter_windows() {
        let text = rules(&shop(), &Policy::standard().scaled(60)).unwrap();
        assert!(
            text.contains("slo:sli_error:ratio_rate5s{objective=\"shop-orders-fast\"} > 14.4 * (1 - 0.99)")
        );
        assert!(text.contains("[1h12m]"), "three days");
        assert!(text.contains("interval: 2s500ms"));
    }

    #[test]
    fn a_target_that_could_never_page_is_refused() {
        let low = include_str!("../../tests/shop.yaml").replace("target: 0.99\n", "target: 0.9\n");
        let error = rules(&ServiceObjectives::parse(&low).unwrap(), &Policy::standard()).unwrap_err();
        assert!(error.to_string().contains("higher target"), "{error}");
    }
}
