//! Each key as a linearizable register with conditional create.
//!
//! The search is Wing and Gong's with Lowe's memo of (what is linearized, state), as porcupine has it, and two
//! reductions that keep lost answers from multiplying the work (see the `search` module for why they are sound).
//! Keys are judged one by one: linearizability is local (Herlihy and Wing, 1990).

mod search;

use std::collections::{BTreeMap, HashMap};

use crate::record::{Kind, Operation, Outcome};
use crate::report::{Report, Violation};
use crate::wishes;
use search::{Action, Answer, Effect, Known, State, Stuck, Unknown};

/// How much a check may do before it answers `Undecided`.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Configurations remembered for one key; each takes about 40 bytes.
    pub configurations_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            configurations_max: 10_000_000,
        }
    }
}

/// Operations shown in a counterexample.
const SHOWN_MAX: usize = 12;

/// Judges the claims, reads, writes and deletes of a history. Redirects are not judged, nor are claims that never
/// learnt their key.
pub fn check(operations: &[Operation], limits: Limits) -> Report {
    let mut keys: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    let merged = wishes::merge(operations);
    for operation in &merged {
        if operation.kind != Kind::Redirect && !operation.key.is_empty() {
            keys.entry(&operation.key).or_default().push(operation);
        }
    }
    let mut report = Report::new("linearizable register", keys.values().map(Vec::len).sum());
    for (key, operations) in keys {
        check_key(key, &operations, limits, &mut report);
    }
    report
}

fn check_key(key: &str, operations: &[&Operation], limits: Limits, report: &mut Report) {
    let mut values = Values::default();
    let mut known = Vec::new();
    let mut unknown = Vec::new();
    for &operation in operations {
        match operation.outcome {
            Outcome::Unknown => {
                if let Some(effect) = effect(operation, &mut values) {
                    unknown.push(Unknown {
                        call: operation.start_us,
                        effect,
                    });
                }
            }
            Outcome::Refused if operation.kind == Kind::Read => {}
            Outcome::Ok | Outcome::Refused => {
                let (call, ret) = (operation.start_us, operation.end_us);
                known.push((
                    Known {
                        call,
                        ret,
                        action: action(operation, &mut values),
                    },
                    operation,
                ));
            }
        }
    }
    known.sort_by_key(|(known, _)| (known.call, known.ret));
    unknown.sort_by_key(|unknown| unknown.call);
    let steps: Vec<Known> = known.iter().map(|(known, _)| *known).collect();
    match search::search(&steps, &unknown, limits.configurations_max) {
        Answer::Linearizable => {}
        Answer::TooHard => report.undecided(key),
        Answer::Stuck(stuck) => {
            let offender = known[stuck.operation].1;
            report.violated(violation(key, offender, &stuck, operations, &values));
        }
    }
}

/// Values as small numbers; `search::ABSENT` is none.
#[derive(Default)]
struct Values<'a> {
    numbers: HashMap<&'a str, State>,
    names: Vec<&'a str>,
}

impl<'a> Values<'a> {
    fn number(&mut self, value: Option<&'a str>) -> State {
        let Some(value) = value else { return search::ABSENT };
        *self.numbers.entry(value).or_insert_with(|| {
            self.names.push(value);
            State::try_from(self.names.len()).expect("a history has at most ten million operations")
        })
    }

    fn name(&self, state: State) -> String {
        let index = (state as usize).checked_sub(1);
        index.map_or_else(|| "absent".to_owned(), |index| format!("`{}`", self.names[index]))
    }
}

fn action<'a>(operation: &'a Operation, values: &mut Values<'a>) -> Action {
    let value = values.number(operation.value.as_deref());
    match (operation.kind, operation.outcome == Outcome::Ok) {
        (Kind::Claim, true) => Action::Claim(value),
        (Kind::Claim, false) => Action::IsPresent,
        (Kind::Write, true) => Action::Write(value),
        (Kind::Delete, true) => Action::Delete,
        (Kind::Write | Kind::Delete, false) => Action::Is(search::ABSENT),
        (Kind::Read | Kind::Redirect, _) => Action::Is(value),
    }
}

fn effect<'a>(operation: &'a Operation, values: &mut Values<'a>) -> Option<Effect> {
    let value = values.number(operation.value.as_deref());
    match operation.kind {
        Kind::Claim => Some(Effect::Claim(value)),
        Kind::Write => Some(Effect::Write(value)),
        Kind::Delete => Some(Effect::Delete),
        Kind::Read | Kind::Redirect => None,
    }
}

fn violation(
    key: &str,
    offender: &Operation,
    stuck: &Stuck,
    operations: &[&Operation],
    values: &Values<'_>,
) -> Violation {
    let states: Vec<String> = stuck.states.iter().map(|state| values.name(*state)).collect();
    let written = operations.iter().any(|other| {
        matches!(other.kind, Kind::Claim | Kind::Write)
            && other.outcome != Outcome::Refused
            && other.value == offender.value
    });
    let invented = offender.kind == Kind::Read && offender.value.is_some() && !written;
    let hint = if invented {
        "; nobody ever wrote that value"
    } else {
        ""
    };
    Violation {
        rule: "no order of the operations explains every answer",
        key: key.to_owned(),
        explanation: format!(
            "`{offender}` fits nowhere: in every order that explains all that ended before it, the key then holds {}{hint}",
            states.join(" or ")
        ),
        operations: surroundings(offender, operations),
    }
}

/// The offender, what ran beside it, and the last changes before it.
fn surroundings(offender: &Operation, operations: &[&Operation]) -> Vec<Operation> {
    let changes = |other: &Operation| other.kind != Kind::Read && other.outcome != Outcome::Refused;
    let mut near: Vec<&Operation> = operations
        .iter()
        .copied()
        .filter(|other| *other != offender && other.start_us <= offender.end_us)
        .filter(|other| other.end_us >= offender.start_us || changes(other))
        .collect();
    // What wrote the value in question, then what changed the key, then what is nearest in time.
    near.sort_by_key(|other| {
        let names_it = offender.value.is_some() && other.value == offender.value;
        (
            !(changes(other) && names_it),
            !changes(other),
            u64::MAX - other.end_us,
        )
    });
    near.truncate(SHOWN_MAX - 1);
    near.sort_by_key(|other| other.start_us);
    std::iter::once(offender).chain(near).cloned().collect()
}

#[cfg(test)]
mod tests;
