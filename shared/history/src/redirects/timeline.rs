//! What one key held and when it was certainly replaced.

use crate::record::{Kind, Operation, Outcome};

/// What a redirect's answer is worth.
pub(super) enum Judgement<'a> {
    Fine,
    /// Nobody wrote it.
    Invented,
    /// Absent though acknowledged.
    Lost {
        acknowledged: &'a Operation,
    },
    /// Replaced by `newer`, which was acknowledged `by_us` before the redirect began.
    Stale {
        newer: &'a Operation,
        by_us: u64,
    },
}

/// A change of the key, and the first acknowledgement of a change that certainly came after it.
struct Change<'a> {
    operation: &'a Operation,
    replaced_by: Option<&'a Operation>,
}

/// The changes of one key, by start.
pub(super) struct Timeline<'a> {
    changes: Vec<Change<'a>>,
    /// The claim that was acknowledged first.
    claimed: Option<&'a Operation>,
}

impl<'a> Timeline<'a> {
    pub(super) fn of(operations: &[&'a Operation]) -> Self {
        let mut changes: Vec<&Operation> = operations
            .iter()
            .filter(|operation| matches!(operation.kind, Kind::Claim | Kind::Write | Kind::Delete))
            .filter(|operation| operation.outcome != Outcome::Refused)
            .copied()
            .collect();
        changes.sort_by_key(|change| change.start_us);
        // From the back: the earliest acknowledgement among the changes that start at or after each place.
        let mut earliest: Vec<Option<&Operation>> = vec![None; changes.len() + 1];
        for at in (0..changes.len()).rev() {
            let here = Some(changes[at]).filter(|change| change.outcome == Outcome::Ok);
            earliest[at] = here
                .into_iter()
                .chain(earliest[at + 1])
                .min_by_key(|change| change.end_us);
        }
        // A later change of the same value does not refute this one, but then it speaks for the value itself.
        let replaced_by = |change: &Operation| {
            let after = changes.partition_point(|other| other.start_us <= change.end_us);
            // One that was never answered may take effect at any later time.
            earliest[after].filter(|_| change.outcome == Outcome::Ok)
        };
        let claims = changes
            .iter()
            .filter(|change| change.kind == Kind::Claim && change.outcome == Outcome::Ok);
        Self {
            claimed: claims.min_by_key(|claim| claim.end_us).copied(),
            changes: changes
                .iter()
                .map(|operation| Change {
                    operation,
                    replaced_by: replaced_by(operation),
                })
                .collect(),
        }
    }

    /// Whether a claim of this key was acknowledged.
    pub(super) fn is_claimed(&self) -> bool {
        self.claimed.is_some()
    }

    pub(super) fn judge(&self, redirect: &Operation, bound_us: u64) -> Judgement<'a> {
        let shown = redirect.value.as_deref();
        let begun = self
            .changes
            .partition_point(|change| change.operation.start_us <= redirect.end_us);
        let mut latest_replacement: Option<&Operation> = None;
        let mut written = false;
        for change in &self.changes[..begun] {
            let left = if change.operation.kind == Kind::Delete {
                None
            } else {
                change.operation.value.as_deref()
            };
            if left != shown {
                continue;
            }
            written = true;
            match change.replaced_by {
                Some(newer) if newer.end_us.saturating_add(bound_us) <= redirect.start_us => {
                    latest_replacement = latest_replacement
                        .into_iter()
                        .chain([newer])
                        .max_by_key(|newer| newer.end_us);
                }
                _ => return Judgement::Fine,
            }
        }
        if shown.is_none() {
            // Absent from the beginning: no bound excuses that once the claim was acknowledged.
            match self.claimed.filter(|claim| claim.end_us < redirect.start_us) {
                None => return Judgement::Fine,
                Some(acknowledged) if !written => return Judgement::Lost { acknowledged },
                Some(_) => {}
            }
        }
        match latest_replacement {
            Some(newer) => Judgement::Stale {
                newer,
                by_us: redirect.start_us - newer.end_us,
            },
            None => Judgement::Invented,
        }
    }

    /// The last changes that began before the redirect ended, at most three.
    pub(super) fn latest_before(&self, redirect: &Operation) -> Vec<&'a Operation> {
        let begun = self
            .changes
            .partition_point(|change| change.operation.start_us <= redirect.end_us);
        self.changes[begun.saturating_sub(3)..begun]
            .iter()
            .map(|change| change.operation)
            .collect()
    }
}
