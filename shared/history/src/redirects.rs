//! Redirects with bounded staleness, and links that stay what they were acknowledged to be.
//!
//! Judged, each with its own rule in the report:
//! - an acknowledged link is never absent, unless its deletion was at least begun;
//! - a redirect shows nothing that nobody wrote;
//! - a redirect shows a former value (or a former absence, after a deletion) only if a newer value was acknowledged
//!   less than the bound before the redirect began;
//! - no key stands for two links;
//! - each retry of a claim gets the answer the first one got.

mod timeline;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::record::{Kind, Operation, Outcome};
use crate::report::{Report, Violation};
use crate::wishes;
use timeline::{Judgement, Timeline};

const NEVER_ABSENT: &str = "an acknowledged link is never absent";
const NOTHING_INVENTED: &str = "a redirect shows only what was written";
const BOUNDED: &str = "a former value is shown only within the staleness bound";
const ONE_LINK: &str = "no key stands for two links";
const FIRST_ANSWER: &str = "each retry gets the first answer";

/// Judges the claims, writes, deletes and redirects of a history; reads are the register's, see `linearizable`.
pub fn check(operations: &[Operation], bound: Duration) -> Report {
    let judged = operations
        .iter()
        .filter(|operation| operation.kind != Kind::Read)
        .count();
    let mut report = Report::new("redirects with bounded staleness", judged);
    let mut keys: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    let merged = wishes::merge(operations);
    for operation in merged.iter().filter(|operation| !operation.key.is_empty()) {
        keys.entry(&operation.key).or_default().push(operation);
    }
    let homeless = Homeless::of(&merged);
    let bound_us = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
    for (key, operations) in keys {
        check_claims(key, &operations, &mut report);
        check_redirects(key, &operations, &homeless, bound_us, &mut report);
    }
    check_retries(operations, &mut report);
    report
}

/// Claims that lost their answer before they learnt their key: by value, the first one's start. Each may stand behind
/// one key that nobody else claimed.
struct Homeless<'a>(HashMap<&'a str, &'a Operation>);

impl<'a> Homeless<'a> {
    fn of(operations: &'a [Cow<'_, Operation>]) -> Self {
        let mut first: HashMap<&str, &Operation> = HashMap::new();
        for operation in operations {
            let lost = operation.kind == Kind::Claim && operation.outcome == Outcome::Unknown;
            if let (true, true, Some(value)) = (lost, operation.key.is_empty(), operation.value.as_deref()) {
                let found = first.entry(value).or_insert(operation);
                if operation.start_us < found.start_us {
                    *found = operation;
                }
            }
        }
        Self(first)
    }

    fn may_have_made(&self, redirect: &Operation) -> bool {
        let value = redirect.value.as_deref();
        value
            .and_then(|value| self.0.get(value))
            .is_some_and(|claim| claim.start_us <= redirect.end_us)
    }
}

/// Two acknowledged claims of one key need a deletion between them; retries of one wish count once.
fn check_claims(key: &str, operations: &[&Operation], report: &mut Report) {
    let of_kind = |kind| move |operation: &&&Operation| operation.kind == kind;
    let mut claims: Vec<&Operation> = operations
        .iter()
        .filter(of_kind(Kind::Claim))
        .filter(|claim| claim.outcome == Outcome::Ok)
        .copied()
        .collect();
    claims.sort_by_key(|claim| claim.start_us);
    let deletes: Vec<&&Operation> = operations
        .iter()
        .filter(of_kind(Kind::Delete))
        .filter(|delete| delete.outcome != Outcome::Refused)
        .collect();
    for pair in claims.windows(2) {
        let (first, second) = (pair[0], pair[1]);
        // Overlapping claims may have taken effect in either order, so a deletion may stand anywhere in their hull.
        let end_us = first.end_us.max(second.end_us);
        let freed = deletes.iter().any(|delete| {
            let after_one = delete.outcome == Outcome::Unknown || delete.end_us >= first.start_us;
            delete.start_us <= end_us && after_one
        });
        if !freed {
            report.violated(Violation {
                rule: ONE_LINK,
                key: key.to_owned(),
                explanation: "it was acknowledged twice, and no deletion was begun between".to_owned(),
                operations: vec![second.clone(), first.clone()],
            });
        }
    }
}

fn check_redirects(
    key: &str,
    operations: &[&Operation],
    homeless: &Homeless<'_>,
    bound_us: u64,
    report: &mut Report,
) {
    let timeline = Timeline::of(operations);
    let mut adopted: BTreeMap<&str, &Operation> = BTreeMap::new();
    let answered = |redirect: &&Operation| redirect.kind == Kind::Redirect && redirect.outcome == Outcome::Ok;
    for redirect in operations.iter().copied().filter(answered) {
        let shown = redirect.value.as_deref();
        let judgement = timeline.judge(redirect, bound_us);
        // A lost claim of a generated key may be what this key is; then nobody else can have claimed it.
        if matches!(judgement, Judgement::Invented)
            && !timeline.is_claimed()
            && homeless.may_have_made(redirect)
        {
            adopted.entry(shown.unwrap_or_default()).or_insert(redirect);
            continue;
        }
        let (rule, explanation, others) = match judgement {
            Judgement::Fine => continue,
            Judgement::Invented => {
                let text = "nobody wrote this value to this key before the redirect ended".to_owned();
                (NOTHING_INVENTED, text, timeline.latest_before(redirect))
            }
            Judgement::Lost { acknowledged } => {
                let text =
                    "it was acknowledged before the redirect began and no deletion was begun".to_owned();
                (NEVER_ABSENT, text, vec![acknowledged])
            }
            Judgement::Stale { newer, by_us } => {
                let text = format!(
                    "a newer value was acknowledged {by_us} us before it began; the bound is {bound_us} us"
                );
                (BOUNDED, text, vec![newer])
            }
        };
        report.violated(Violation {
            rule,
            key: key.to_owned(),
            explanation,
            operations: std::iter::once(redirect).chain(others).cloned().collect(),
        });
    }
    if adopted.len() > 1 {
        report.violated(Violation {
            rule: ONE_LINK,
            key: key.to_owned(),
            explanation: "it led to the values of two claims, and nobody wrote to it".to_owned(),
            operations: adopted.into_values().cloned().collect(),
        });
    }
}

/// Acknowledged claims of one intent all name one key and one value, and none is refused once one was acknowledged.
fn check_retries(operations: &[Operation], report: &mut Report) {
    let mut intents: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in operations
        .iter()
        .filter(|operation| operation.kind == Kind::Claim)
    {
        if let Some(intent) = operation.intent.as_deref() {
            intents.entry(intent).or_default().push(operation);
        }
    }
    for (intent, attempts) in intents {
        let acknowledged: Vec<&&Operation> = attempts
            .iter()
            .filter(|attempt| attempt.outcome == Outcome::Ok)
            .collect();
        let Some(first) = acknowledged.iter().min_by_key(|attempt| attempt.end_us) else {
            continue;
        };
        let answers: BTreeSet<_> = acknowledged
            .iter()
            .map(|attempt| (&attempt.key, &attempt.value))
            .collect();
        let disowned = attempts
            .iter()
            .find(|attempt| attempt.outcome == Outcome::Refused && attempt.start_us > first.end_us);
        let other = acknowledged
            .iter()
            .find(|attempt| (&attempt.key, &attempt.value) != (&first.key, &first.value));
        let offender = if answers.len() > 1 {
            other.copied()
        } else {
            disowned
        };
        if let Some(offender) = offender {
            report.violated(Violation {
                rule: FIRST_ANSWER,
                key: first.key.clone(),
                explanation: format!("intent `{intent}` was answered in two ways"),
                operations: vec![(*offender).clone(), (**first).clone()],
            });
        }
    }
}

#[cfg(test)]
mod tests;
