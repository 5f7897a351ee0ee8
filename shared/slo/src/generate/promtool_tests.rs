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
    let file = |name: String, stories: Stories| -> Result<(String, String), SloError> {
        let mut tests = String::new();
        let mut step = Duration::ZERO;
        let mut known = BTreeSet::new();
        for objective in &service.objectives {
            let series = Series::of(objective)?;
            for story in stories(objective, policy) {
                step = story.step;
                test(&mut tests, objective, policy, &series, &story, &mut known);
            }
        }
        let text = format!(
            "# The alerts of {}. {GENERATED}\nrule_files: [../rules/{}.yaml]\nevaluation_interval: {}\ntests:\n{tests}",
            service.service,
            service.service,
            duration(step)
        );
        Ok((name, text))
    };
    Ok([
        file(service.service.clone(), stories::hours)?,
        file(format!("{}-days", service.service), stories::days)?,
    ])
}

/// Series which an objective counts, and what each has of what was counted.
struct Series(Vec<(String, fn(Counted) -> f64)>);

impl Series {
    fn of(objective: &Objective) -> Result<Self, SloError> {
        let (good, total) = (&objective.good, &objective.total);
        let made = |selector: &Selector, but_not: Option<&Selector>| {
            let labels = example::labels(selector, but_not).ok_or_else(|| SloError::Objective {
                name: objective.name.clone(),
                what: format!("no series can be made up that {selector} selects as it must: use plain lists in regular expressions"),
            })?;
            let labels: Vec<String> = labels
                .iter()
                .map(|(name, value)| format!("{name}={value:?}"))
                .collect();
            Ok(format!("{}{{{}}}", selector.metric, labels.join(",")))
        };
        // Either good ones are some of those series, or they are counted apart, as a histogram does.
        Ok(Self(if good.metric == total.metric {
            vec![
                (made(good, None)?, |counted| counted.good),
                (made(total, Some(good))?, |counted| counted.bad),
            ]
        } else {
            vec![
                (made(good, None)?, |counted| counted.good),
                (made(total, None)?, |counted| counted.good + counted.bad),
            ]
        }))
    }
}

fn test(
    text: &mut String,
    objective: &Objective,
    policy: &Policy,
    series: &Series,
    story: &Story,
    known: &mut BTreeSet<String>,
) {
    let _ = writeln!(
        text,
        "  - name: {}",
        quoted(&format!("{}: {}", objective.name, story.name))
    );
    let _ = writeln!(
        text,
        "    interval: {}\n    input_series:",
        duration(story.sample)
    );
    for (name, of) in &series.0 {
        let values = values(story, *of);
        let _ = writeln!(
            text,
            "      - series: {}\n        values: '{values}'",
            quoted(name)
        );
    }
    text.push_str("    alert_rule_test:\n");
    for Expected { at, firing } in story.expected(objective, policy) {
        for severity in Severity::ALL {
            let name = alert_name(objective, severity);
            let _ = write!(text, "      - {{eval_time: {}, alertname: {name}", duration(at));
            if !firing.contains(&severity) {
                text.push_str("}\n");
            } else if known.insert(name.clone()) {
                // The first time in full; from then on by reference.
                let _ = writeln!(text, ", exp_alerts: [&{name} {{");
                let of = |pairs: [(&str, String); 3]| {
                    let pairs: Vec<String> = pairs
                        .iter()
                        .map(|(n, value)| format!("{n}: {}", quoted(value)))
                        .collect();
                    pairs.join(", ")
                };
                let _ = writeln!(
                    text,
                    "          exp_labels: {{{}}},",
                    of(labels(objective, severity))
                );
                let _ = writeln!(
                    text,
                    "          exp_annotations: {{{}}}}}]}}",
                    of(annotations(objective, severity, policy))
                );
            } else {
                let _ = writeln!(text, ", exp_alerts: [*{name}]}}");
            }
        }
    }
}

/// The counter in promtool's notation: `first+stepxn` a phase.
fn values(story: &Story, of: fn(Counted) -> f64) -> String {
    let mut values = "0".to_owned();
    let mut begins = Duration::ZERO;
    for phase in &story.phases {
        let samples = (phase.lasts.as_secs_f64() / story.sample.as_secs_f64()).round();
        let (from, to) = (of(story.counted(begins)), of(story.counted(begins + phase.lasts)));
        let step = (to - from) / samples;
        let _ = write!(values, " {}+{}x{}", from + step, step, samples - 1.0);
        begins += phase.lasts;
    }
    values
}

#[cfg(test)]
mod tests;
