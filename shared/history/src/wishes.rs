//! Retries of one wish, seen as the one operation they are.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::record::{Kind, Operation, Outcome};

/// What attempts share: the kind, the intent, and the key (`""` for those that never learnt it).
type Wish<'a> = (Kind, &'a str, &'a str);

fn wish(operation: &Operation) -> Option<Wish<'_>> {
    let intent = operation.intent.as_deref()?;
    Some((operation.kind, intent, &operation.key))
}

/// The history with the attempts of each answered wish made one operation.
///
/// Its effect happened at most once, between the first attempt's start and the first `ok`'s end; every later `ok` only
/// repeats that answer. A refused attempt did nothing and stays, and so do the attempts of a wish that never got an `ok`:
/// that is the weaker claim.
pub(crate) fn merge(operations: &[Operation]) -> Vec<Cow<'_, Operation>> {
    let mut started: HashMap<Wish<'_>, u64> = HashMap::new();
    let mut answered: HashMap<Wish<'_>, usize> = HashMap::new();
    let mut keys: HashMap<(Kind, &str), &str> = HashMap::new();
    for (at, operation) in operations.iter().enumerate() {
        let Some(wish) = wish(operation).filter(|_| operation.outcome != Outcome::Refused) else {
            continue;
        };
        let start_us = started.entry(wish).or_insert(operation.start_us);
        *start_us = operation.start_us.min(*start_us);
        if operation.outcome == Outcome::Ok {
            let first = answered.entry(wish).or_insert(at);
            if operation.end_us < operations[*first].end_us {
                *first = at;
            }
            keys.insert((wish.0, wish.1), wish.2);
        }
    }
    let mut merged = Vec::with_capacity(operations.len());
    for (at, operation) in operations.iter().enumerate() {
        let Some(wish) = wish(operation).filter(|_| operation.outcome != Outcome::Refused) else {
            merged.push(Cow::Borrowed(operation));
            continue;
        };
        match answered.get(&wish) {
            Some(first) if *first == at => {
                let keyless = started.get(&(wish.0, wish.1, "")).copied().unwrap_or(u64::MAX);
                let start_us = started[&wish].min(keyless);
                merged.push(Cow::Owned(Operation {
                    start_us,
                    ..operation.clone()
                }));
            }
            Some(_) => {}
            // Its key was learnt by a later attempt.
            None if operation.key.is_empty() && keys.contains_key(&(wish.0, wish.1)) => {}
            None => merged.push(Cow::Borrowed(operation)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(key: &str, start_us: u64, outcome: Outcome) -> Operation {
        Operation {
            session: 1,
            kind: Kind::Claim,
            key: key.to_owned(),
            value: Some("u".to_owned()),
            start_us,
            end_us: start_us + 1,
            outcome,
            intent: Some("i".to_owned()),
        }
    }

    #[test]
    fn an_answered_wish_reaches_from_its_first_attempt_to_its_first_answer() {
        let attempts = [
            attempt("", 1, Outcome::Unknown),
            attempt("a", 11, Outcome::Ok),
            attempt("a", 21, Outcome::Ok),
            attempt("a", 31, Outcome::Unknown),
        ];
        let merged = merge(&attempts);
        assert_eq!(merged.len(), 1);
        assert_eq!((merged[0].start_us, merged[0].end_us), (1, 12));
    }

    #[test]
    fn what_got_no_answer_and_what_was_refused_stay_apart() {
        let attempts = [
            attempt("a", 1, Outcome::Unknown),
            attempt("a", 11, Outcome::Refused),
            attempt("", 21, Outcome::Unknown),
        ];
        assert_eq!(merge(&attempts).len(), 3);
    }
}
