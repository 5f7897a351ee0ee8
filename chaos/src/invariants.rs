//! What must be true whatever happened. Each says how much it checked, and a check of nothing has failed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use history::{Kind, Operation, Outcome};
use load::profile::Report;
use serde::Serialize;

use crate::observer::Holdings;

/// The names a drill may use.
pub const NAMES: [&str; 6] = [
    "redirects-true",
    "linearizable",
    "no-acknowledged-link-lost",
    "clicks-conserved",
    "ids-unique-and-ordered",
    "no-failed-request",
];

/// A changed or deleted key is followed to its old target for so long at most.
const STALE_MAX: Duration = Duration::from_secs(1);
/// Violations that are shown.
const SHOWN_MAX: usize = 5;

/// What an invariant found.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// Its name.
    pub invariant: String,
    /// Whether it holds.
    pub held: bool,
    /// How much was checked.
    pub checked: u64,
    /// Of what.
    pub of: &'static str,
    /// What was found, or what is wrong.
    pub found: String,
}

/// What is judged.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    pub(crate) operations: &'a [Operation],
    pub(crate) holdings: &'a Holdings,
    pub(crate) report: &'a Report,
    pub(crate) clicks_lost_max: u64,
}

/// Judges one invariant.
pub(crate) fn judge(name: &str, evidence: &Evidence<'_>) -> Finding {
    let (of, judged) = match name {
        "redirects-true" => ("operations", redirects_true(evidence)),
        "linearizable" => ("operations", linearizable(evidence)),
        "no-acknowledged-link-lost" => ("acknowledged links", nothing_lost(evidence)),
        "clicks-conserved" => ("redirects answered", clicks_conserved(evidence)),
        "ids-unique-and-ordered" => ("ids", ids(evidence)),
        "no-failed-request" => ("requests", nothing_failed(evidence)),
        _ => ("", (0, Err("there is no such invariant".to_owned()))),
    };
    let (checked, outcome) = judged;
    let (held, found) = match outcome {
        Ok(_) if checked == 0 => (false, "nothing was checked, so nothing is known".to_owned()),
        Ok(found) => (true, found),
        Err(wrong) => (false, wrong),
    };
    Finding {
        invariant: name.to_owned(),
        held,
        checked,
        of,
        found,
    }
}

/// How much was checked, and what is to be said of it or against it.
type Judged = (u64, Result<String, String>);

fn of_report(report: &history::Report) -> Judged {
    let outcome = if report.is_kept() {
        Ok("no violation".to_owned())
    } else {
        Err(report.to_string())
    };
    (report.operations() as u64, outcome)
}

fn redirects_true(evidence: &Evidence<'_>) -> Judged {
    let redirects = evidence
        .operations
        .iter()
        .filter(|operation| operation.kind == Kind::Redirect)
        .count();
    let report = history::redirects::check(evidence.operations, STALE_MAX);
    if redirects == 0 {
        return (0, Ok(String::new()));
    }
    of_report(&report)
}

fn linearizable(evidence: &Evidence<'_>) -> Judged {
    let limits = history::linearizable::Limits::default();
    of_report(&history::linearizable::check(evidence.operations, limits))
}

/// Keys whose claim was acknowledged, and the values that anybody wrote to each.
fn acknowledged(operations: &[Operation]) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut keys: BTreeMap<&str, BTreeSet<&str>> = operations
        .iter()
        .filter(|operation| operation.kind == Kind::Claim && operation.outcome == Outcome::Ok)
        .map(|claim| (claim.key.as_str(), BTreeSet::new()))
        .collect();
    for operation in operations {
        if let (Kind::Claim | Kind::Write, Some(values), Some(value)) = (
            operation.kind,
            keys.get_mut(operation.key.as_str()),
            &operation.value,
        ) {
            values.insert(value);
        }
    }
    keys
}

fn nothing_lost(evidence: &Evidence<'_>) -> Judged {
    let keys = acknowledged(evidence.operations);
    let mut wrong = Vec::new();
    for (key, values) in &keys {
        match evidence
            .holdings
            .get(*key)
            .map(|observed| observed.value.as_deref())
        {
            Some(Some(value)) if values.contains(value) => {}
            Some(Some(value)) => wrong.push(format!("{key} holds {value}, which nobody wrote to it")),
            Some(None) => wrong.push(format!("{key} is gone")),
            None => wrong.push(format!("{key} was not read back")),
        }
    }
    (
        keys.len() as u64,
        outcome("each is there with a value that was written to it", &wrong),
    )
}

/// Redirects that were answered, and those of which nobody knows whether they count.
pub(crate) fn clicks(operations: &[Operation]) -> (u64, u64) {
    let redirects = operations
        .iter()
        .filter(|operation| operation.kind == Kind::Redirect);
    let (answered, unknown): (Vec<&Operation>, Vec<&Operation>) = redirects
        .filter(|redirect| redirect.outcome != Outcome::Ok || redirect.value.is_some())
        .partition(|redirect| redirect.outcome == Outcome::Ok);
    (answered.len() as u64, unknown.len() as u64)
}

fn clicks_conserved(evidence: &Evidence<'_>) -> Judged {
    let (answered, unknown) = clicks(evidence.operations);
    let counts: Vec<u64> = evidence
        .holdings
        .values()
        .filter_map(|observed| observed.count)
        .collect();
    let counted: u64 = counts.iter().sum();
    if counts.is_empty() {
        return (0, Err("no count could be read".to_owned()));
    }
    let least = answered.saturating_sub(evidence.clicks_lost_max);
    let most = answered + unknown;
    let told =
        format!("{counted} clicks counted, {answered} redirects answered and {unknown} without an answer");
    let outcome = if counted < least {
        Err(format!(
            "{told}: {} clicks are missing, {} may",
            answered - counted,
            evidence.clicks_lost_max
        ))
    } else if counted > most {
        Err(format!("{told}: {} were counted twice", counted - most))
    } else {
        Ok(told)
    };
    (answered, outcome)
}

/// No id twice, and whoever began after another was acknowledged got the larger id.
fn ids(evidence: &Evidence<'_>) -> Judged {
    let mut claims: Vec<(&Operation, u64)> = evidence
        .operations
        .iter()
        .filter(|operation| operation.kind == Kind::Claim && operation.outcome == Outcome::Ok)
        .filter_map(|claim| Some((claim, evidence.holdings.get(&claim.key)?.id?)))
        .collect();
    let mut wrong = Vec::new();
    let mut seen: BTreeMap<u64, &str> = BTreeMap::new();
    for (claim, id) in &claims {
        if let Some(other) = seen.insert(*id, &claim.key)
            && other != claim.key
        {
            wrong.push(format!("{other} and {} share the id {id}", claim.key));
        }
    }
    let mut by_end = claims.clone();
    by_end.sort_by_key(|(claim, _)| claim.end_us);
    claims.sort_by_key(|(claim, _)| claim.start_us);
    let mut ended = by_end.into_iter().peekable();
    let mut largest = (0, "");
    for (claim, id) in &claims {
        while let Some((before, of)) = ended.next_if(|(before, _)| before.end_us < claim.start_us) {
            largest = largest.max((of, before.key.as_str()));
        }
        if largest.0 > *id {
            wrong.push(format!(
                "{} has {id}, and {} had {} before it began",
                claim.key, largest.1, largest.0
            ));
        }
    }
    (
        claims.len() as u64,
        outcome("all different, each larger than those before it", &wrong),
    )
}

fn nothing_failed(evidence: &Evidence<'_>) -> Judged {
    let total = &evidence.report.total;
    let outcome = if total.failed + total.dropped == 0 {
        Ok("all answered as expected".to_owned())
    } else {
        let (failed, dropped) = (total.failed, total.dropped);
        Err(format!(
            "{failed} failed and {dropped} were not sent: {:?}",
            total.statuses
        ))
    };
    (total.offered, outcome)
}

fn outcome(good: &str, wrong: &[String]) -> Result<String, String> {
    if wrong.is_empty() {
        return Ok(good.to_owned());
    }
    let shown = wrong[..wrong.len().min(SHOWN_MAX)].join("; ");
    let more = wrong.len().saturating_sub(SHOWN_MAX);
    Err(if more == 0 {
        shown
    } else {
        format!("{shown}; and {more} more")
    })
}

#[cfg(test)]
pub(crate) mod tests;
