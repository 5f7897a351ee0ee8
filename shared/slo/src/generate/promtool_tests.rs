//! Unit tests of the alerts for `promtool test rules`. What they expect is reckoned from the policy alone, so that a rule which says
//! something else is found.

mod stories;
mod story;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use super::rules::{annotations, labels};
use super::{GENERATED, duration, example, quoted};
use crate::{Objective, Policy, Selector, ServiceObjectives, Severity, SloError, alert_name};
use story::{Counted, Expected, Story};

/// `infra/prometheus/tests/<service>.yaml`, with what happens within hours, and `<service>-days.yaml`: each objective's alerts fire at their
/// moment and not a step before, clear, and stay quiet on noise and without requests.
///
/// # Errors
///
/// An objective of whose selectors no example can be made up.
pub fn promtool_tests(
    service: &ServiceObjectives,
    policy: &Policy,
) -> Result<[(String, String); 2], SloError> {
    type Stories = fn(&Objective, &Policy) -> Vec<Story>;
    let groups = groups(service)?;
    // Else promtool evaluates them in any order, and a ticket may see a page's ratios of the step before.
    let order = format!(
        "group_eval_order: [{0}-pages, {0}-tickets, {0}-budget]",
        service.service
    );
    let file = |name: String, stories: Stories| {
        let mut tests = String::new();
        let mut step = Duration::ZERO;
        let mut known = BTreeSet::new();
        for group in &groups {
            let told: Vec<Vec<Story>> = group.iter().map(|(o, _)| stories(o, policy)).collect();
            for number in 0..told.first().map_or(0, Vec::len) {
                let parts: Vec<Part<'_>> = group
                    .iter()
                    .zip(&told)
                    .map(|((objective, series), stories)| Part {
                        objective,
                        series,
                        story: &stories[number],
                    })
                    .collect();
                step = parts[0].story.step;
                test(&mut tests, policy, &parts, &mut known);
            }
        }
        let text = format!(
            "# The alerts of {}. {GENERATED}\nrule_files: [../rules/{}.yaml]\nevaluation_interval: {}\n\
             {order}\ntests:\n{tests}",
            service.service,
            service.service,
            duration(step)
        );
        (name, text)
    };
    Ok([
        file(service.service.clone(), stories::hours),
        file(format!("{}-days", service.service), stories::days),
    ])
}

/// Objectives that do not count each other's series are tested side by side: every test runs every rule of the service.
fn groups(service: &ServiceObjectives) -> Result<Vec<Vec<(&Objective, Series)>>, SloError> {
    let mut groups: Vec<Vec<(&Objective, Series)>> = Vec::new();
    for objective in &service.objectives {
        let series = Series::of(objective)?;
        let apart = |group: &&mut Vec<(&Objective, Series)>| {
            let mut others = group.iter();
            others.all(|(other, its)| !series.counted_by(other) && !its.counted_by(objective))
        };
        match groups.iter_mut().find(apart) {
            Some(group) => group.push((objective, series)),
            None => groups.push(vec![(objective, series)]),
        }
    }
    Ok(groups)
}

/// A made-up counter, and what it has of what was counted.
struct Made {
    metric: String,
    labels: Vec<(String, String)>,
    of: fn(Counted) -> f64,
}

/// The series which an objective counts.
struct Series(Vec<Made>);

impl Series {
    fn of(objective: &Objective) -> Result<Self, SloError> {
        let (good, total) = (&objective.good, &objective.total);
        let made = |selector: &Selector, but_not: Option<&Selector>, of: fn(Counted) -> f64| {
            let labels = example::labels(selector, but_not).ok_or_else(|| SloError::Objective {
                name: objective.name.clone(),
                what: format!(
                    "no series can be made up that {selector} selects as it must: use plain lists in regular expressions"
                ),
            })?;
            Ok(Made {
                metric: selector.metric.clone(),
                labels,
                of,
            })
        };
        // Either good ones are some of those series, or they are counted apart, as a histogram does.
        Ok(Self(if good.metric == total.metric {
            vec![
                made(good, None, |counted| counted.good)?,
                made(total, Some(good), |counted| counted.bad)?,
            ]
        } else {
            vec![
                made(good, None, |counted| counted.good)?,
                made(total, None, |counted| counted.good + counted.bad)?,
            ]
        }))
    }

    fn counted_by(&self, objective: &Objective) -> bool {
        let by = |selector: &Selector| {
            self.0
                .iter()
                .any(|made| selector.matches(&made.metric, &made.labels))
        };
        by(&objective.good) || by(&objective.total)
    }
}

impl std::fmt::Display for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let labels: Vec<String> = self
            .labels
            .iter()
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        write!(f, "{}{{{}}}", self.metric, labels.join(","))
    }
}

/// What one objective has in a test.
struct Part<'a> {
    objective: &'a Objective,
    series: &'a Series,
    story: &'a Story,
}

fn test(text: &mut String, policy: &Policy, parts: &[Part<'_>], known: &mut BTreeSet<String>) {
    let story = parts[0].story;
    let names: Vec<&str> = parts.iter().map(|part| part.objective.name.as_str()).collect();
    let _ = writeln!(
        text,
        "  - name: {}",
        quoted(&format!("{}: {}", names.join(", "), story.name))
    );
    let _ = writeln!(
        text,
        "    interval: {}\n    input_series:",
        duration(story.sample)
    );
    for part in parts {
        for made in &part.series.0 {
            let values = values(part.story, made.of);
            let _ = writeln!(
                text,
                "      - series: {}\n        values: '{values}'",
                quoted(&made.to_string())
            );
        }
    }
    text.push_str("    alert_rule_test:\n");
    for part in parts {
        for Expected { at, firing } in part.story.expected(part.objective, policy) {
            for severity in Severity::ALL {
                let fires = firing.contains(&severity);
                expectation(text, part.objective, policy, (at, severity, fires), known);
            }
        }
    }
}

fn expectation(
    text: &mut String,
    objective: &Objective,
    policy: &Policy,
    (at, severity, fires): (Duration, Severity, bool),
    known: &mut BTreeSet<String>,
) {
    let name = alert_name(objective, severity);
    let _ = write!(text, "      - {{eval_time: {}, alertname: {name}", duration(at));
    if !fires {
        text.push_str("}\n");
    } else if known.insert(name.clone()) {
        // The first time in full; from then on by reference.
        let of = |pairs: [(&str, String); 3]| {
            let pairs: Vec<String> = pairs
                .iter()
                .map(|(n, value)| format!("{n}: {}", quoted(value)))
                .collect();
            pairs.join(", ")
        };
        let labels = of(labels(objective, severity));
        let annotations = of(annotations(objective, severity, policy));
        let _ = writeln!(text, ", exp_alerts: [&{name} {{");
        let _ = writeln!(text, "          exp_labels: {{{labels}}},");
        let _ = writeln!(text, "          exp_annotations: {{{annotations}}}}}]}}");
    } else {
        let _ = writeln!(text, ", exp_alerts: [*{name}]}}");
    }
}

/// Counters move by multiples of this, so that every sum is exact: promtool adds step by step, and a value that falls by a rounding
/// error is a counter's reset.
const GRAIN: f64 = 1.0 / 1_048_576.0;

/// The counter in promtool's notation: `first+stepxn` a phase.
fn values(story: &Story, of: fn(Counted) -> f64) -> String {
    let mut values = "0".to_owned();
    let mut begins = Duration::ZERO;
    let mut value = 0.0;
    for phase in &story.phases {
        let samples = (phase.lasts.as_secs_f64() / story.sample.as_secs_f64()).round();
        let (from, to) = (of(story.counted(begins)), of(story.counted(begins + phase.lasts)));
        let step = ((to - from) / samples / GRAIN).round() * GRAIN;
        let _ = write!(values, " {}+{}x{}", value + step, step, samples - 1.0);
        value += step * samples;
        begins += phase.lasts;
    }
    values
}

#[cfg(test)]
mod tests;
