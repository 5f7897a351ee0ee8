//! What must be true whatever happened. Each says how much it checked, and a check of nothing has failed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use history::{Kind, Operation, Outcome, ledger};
use load::profile::Report;
use serde::{Deserialize, Serialize};

use crate::observer::Holdings;
use crate::receiver::Received;

/// What a drill may say must be true; `docs/drills.md` says what each means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Invariant {
    /// Redirects lead where somebody wrote, within the bound.
    RedirectsTrue,
    /// Reads fit one order of all writes.
    Linearizable,
    /// Each acknowledged link is there.
    NoAcknowledgedLinkLost,
    /// As many clicks as redirects.
    ClicksConserved,
    /// No id twice, later ones larger.
    IdsUniqueAndOrdered,
    /// Every request was answered as expected.
    NoFailedRequest,
    /// Books that add up, within every limit.
    MoneyConserved,
    /// Each acknowledged effect is there, as it was asked for.
    NoAcknowledgedTransferLost,
    /// One key, one effect, one answer; a refusal moves nothing.
    NothingTwice,
    /// The chain recomputed from outside is whole.
    ChainVerified,
    /// Payments have ended, in agreement with the processor, each that was captured with one receipt.
    PaymentsSettled,
    /// Each difference of a settlement is listed, and nothing else.
    BreaksListed,
    /// What carries a smaller fence was not written after a larger one.
    StaleLeaderWritesNothing,
    /// Nobody followed a hostile receiver to where it led.
    NoRequestMisled,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::RedirectsTrue,
        Self::Linearizable,
        Self::NoAcknowledgedLinkLost,
        Self::ClicksConserved,
        Self::IdsUniqueAndOrdered,
        Self::NoFailedRequest,
        Self::MoneyConserved,
        Self::NoAcknowledgedTransferLost,
        Self::NothingTwice,
        Self::ChainVerified,
        Self::PaymentsSettled,
        Self::BreaksListed,
        Self::StaleLeaderWritesNothing,
        Self::NoRequestMisled,
    ];

    /// As drills call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RedirectsTrue => "redirects-true",
            Self::Linearizable => "linearizable",
            Self::NoAcknowledgedLinkLost => "no-acknowledged-link-lost",
            Self::ClicksConserved => "clicks-conserved",
            Self::IdsUniqueAndOrdered => "ids-unique-and-ordered",
            Self::NoFailedRequest => "no-failed-request",
            Self::MoneyConserved => "money-conserved",
            Self::NoAcknowledgedTransferLost => "no-acknowledged-transfer-lost",
            Self::NothingTwice => "nothing-twice",
            Self::ChainVerified => "chain-verified",
            Self::PaymentsSettled => "payments-settled",
            Self::BreaksListed => "breaks-listed",
            Self::StaleLeaderWritesNothing => "stale-leader-writes-nothing",
            Self::NoRequestMisled => "no-request-misled",
        }
    }

    /// The rules of the ledger's checker behind it; the first says how much there was to judge.
    const fn rules(self) -> &'static [&'static str] {
        match self {
            Self::MoneyConserved => &[
                ledger::BALANCED,
                ledger::ZERO,
                ledger::REPLAY,
                ledger::LIMITS,
                ledger::CAPTURED,
                ledger::REVERSED,
            ],
            Self::NoAcknowledgedTransferLost => &[ledger::KEPT, ledger::AS_ASKED],
            Self::NothingTwice => &[
                ledger::ONCE,
                ledger::SAME_ANSWER,
                ledger::REFUSED,
                ledger::ASKED,
                ledger::ENDED,
                ledger::ONE_WISH,
            ],
            Self::ChainVerified => &[ledger::CHAIN],
            Self::PaymentsSettled => &[ledger::SETTLED, ledger::FOLLOWED, ledger::PUBLISHED],
            Self::BreaksListed => &[ledger::LISTED],
            Self::StaleLeaderWritesNothing => &[ledger::FENCED],
            _ => &[],
        }
    }
}

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
    /// How often it was broken, as far as that was counted: 20 of each rule of a history, and 0 where nothing was checked.
    pub violations: u64,
}

/// What is judged.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    pub(crate) operations: &'a [Operation],
    pub(crate) holdings: &'a Holdings,
    pub(crate) report: &'a Report,
    pub(crate) clicks_lost_max: u64,
    /// Of a load that moves money: what clients were told, and what was read of the tables.
    pub(crate) money: Option<&'a Money>,
    /// Of a drill with a merchant's receiver.
    pub(crate) received: Option<Received>,
}

/// A history of money, and what an observer read at the end.
#[derive(Debug, Default)]
pub(crate) struct Money {
    pub(crate) operations: Vec<ledger::Operation>,
    pub(crate) observed: Vec<ledger::Observed>,
}

/// Judges one invariant.
pub(crate) fn judge(invariant: Invariant, evidence: &Evidence<'_>) -> Finding {
    let (of, judged) = match invariant {
        Invariant::RedirectsTrue => ("operations", redirects_true(evidence)),
        Invariant::Linearizable => ("operations", linearizable(evidence)),
        Invariant::NoAcknowledgedLinkLost => ("acknowledged links", nothing_lost(evidence)),
        Invariant::ClicksConserved => ("redirects answered", clicks_conserved(evidence)),
        Invariant::IdsUniqueAndOrdered => ("ids", ids(evidence)),
        Invariant::NoFailedRequest => ("requests", nothing_failed(evidence)),
        Invariant::MoneyConserved => ("transactions", of_ledger(invariant, evidence)),
        Invariant::NoAcknowledgedTransferLost => ("acknowledged operations", of_ledger(invariant, evidence)),
        Invariant::NothingTwice => ("attempts", of_ledger(invariant, evidence)),
        Invariant::ChainVerified => ("chained transactions", of_ledger(invariant, evidence)),
        Invariant::PaymentsSettled => ("payments", of_ledger(invariant, evidence)),
        Invariant::BreaksListed => ("payments that were settled wrong", of_ledger(invariant, evidence)),
        Invariant::StaleLeaderWritesNothing => ("rows that leaders wrote", of_ledger(invariant, evidence)),
        Invariant::NoRequestMisled => ("hostile answers", not_misled(evidence)),
    };
    let (checked, outcome) = judged;
    let (held, found, violations) = match outcome {
        Ok(_) if checked == 0 => (false, "nothing was checked, so nothing is known".to_owned(), 0),
        Ok(found) => (true, found, 0),
        Err(wrong) => (false, wrong.told, wrong.count),
    };
    Finding {
        invariant: invariant.name().to_owned(),
        held,
        checked,
        of,
        found,
        violations,
    }
}

/// How much was checked, and what is to be said of it or against it.
type Judged = (u64, Result<String, Wrong>);

/// What is to be said against it.
struct Wrong {
    told: String,
    count: u64,
}

/// It could not be judged at all.
fn unjudged(why: &str) -> Judged {
    let told = why.to_owned();
    (0, Err(Wrong { told, count: 0 }))
}

fn of_report(report: &history::Report) -> Judged {
    let outcome = if report.is_kept() {
        Ok("no violation".to_owned())
    } else {
        Err(Wrong {
            told: report.to_string(),
            count: report.violation_count() as u64,
        })
    };
    (report.operations() as u64, outcome)
}

/// The violations of its rules, of the one judgement of all.
fn of_ledger(invariant: Invariant, evidence: &Evidence<'_>) -> Judged {
    let Some(money) = evidence.money else {
        return unjudged("this drill observes no ledger");
    };
    let rules = invariant.rules();
    let checked = rules
        .first()
        .map_or(0, |rule| ledger::judged(rule, &money.operations, &money.observed));
    let report = ledger::check(&money.operations, &money.observed);
    let broken = report
        .violations()
        .iter()
        .filter(|violation| rules.contains(&violation.rule));
    let wrong: Vec<String> = broken
        .map(|violation| {
            let told: Vec<String> = violation.operations.iter().map(ToString::to_string).collect();
            let told = if told.is_empty() {
                String::new()
            } else {
                format!("\n  {}", told.join("\n  "))
            };
            format!(
                "{} ({}): {}{told}",
                violation.rule, violation.key, violation.explanation
            )
        })
        .collect();
    (checked as u64, outcome("no violation", &wrong))
}

fn not_misled(evidence: &Evidence<'_>) -> Judged {
    let Some(received) = evidence.received else {
        return unjudged("this drill has no receiver");
    };
    let told = format!(
        "{} requests were taken, {} treated badly",
        received.kind, received.hostile
    );
    let outcome = match received.misled {
        0 => Ok(told),
        misled => Err(Wrong {
            told: format!("{told}, and {misled} followed to where they were led"),
            count: misled,
        }),
    };
    (received.hostile, outcome)
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
        return unjudged("no count could be read");
    }
    let least = answered.saturating_sub(evidence.clicks_lost_max);
    let most = answered + unknown;
    let told =
        format!("{counted} clicks counted, {answered} redirects answered and {unknown} without an answer");
    let outcome = if counted < least {
        let (count, may) = (answered - counted, evidence.clicks_lost_max);
        let told = format!("{told}: {count} clicks are missing, {may} may");
        Err(Wrong { told, count })
    } else if counted > most {
        let count = counted - most;
        let told = format!("{told}: {count} were counted twice");
        Err(Wrong { told, count })
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
        let told = format!(
            "{failed} failed and {dropped} were not sent: {:?}",
            total.statuses
        );
        let count = failed + dropped;
        Err(Wrong { told, count })
    };
    (total.offered, outcome)
}

fn outcome(good: &str, wrong: &[String]) -> Result<String, Wrong> {
    if wrong.is_empty() {
        return Ok(good.to_owned());
    }
    let shown = wrong[..wrong.len().min(SHOWN_MAX)].join("; ");
    let more = wrong.len().saturating_sub(SHOWN_MAX);
    let told = if more == 0 {
        shown
    } else {
        format!("{shown}; and {more} more")
    };
    let count = wrong.len() as u64;
    Err(Wrong { told, count })
}

#[cfg(test)]
pub(crate) mod tests;
