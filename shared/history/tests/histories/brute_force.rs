//! Linearizability by trying every order: too slow for more than a few operations, and too plain to be wrong.

use history::{Kind, Operation, Outcome};

/// The answer contradicts what the key held.
struct Lie;

/// Whether some order explains the operations of one key.
pub(crate) fn is_linearizable(operations: &[Operation]) -> bool {
    let mut left: Vec<&Operation> = operations.iter().collect();
    explains(&mut left, None)
}

fn explains(left: &mut Vec<&Operation>, held: Option<&str>) -> bool {
    let answered = |operation: &&&Operation| operation.outcome != Outcome::Unknown;
    let Some(end_us) = left
        .iter()
        .filter(answered)
        .map(|operation| operation.end_us)
        .min()
    else {
        return true;
    };
    for at in 0..left.len() {
        let operation = left[at];
        if operation.start_us > end_us {
            continue;
        }
        if let Ok(after) = after(operation, held) {
            left.remove(at);
            let explained = explains(left, after);
            left.insert(at, operation);
            if explained {
                return true;
            }
        }
    }
    false
}

/// What the key holds afterwards, or `Err` if the answer is a lie there.
fn after<'a>(operation: &'a Operation, held: Option<&'a str>) -> Result<Option<&'a str>, Lie> {
    let possible = match operation.kind {
        Kind::Claim => held.is_none(),
        Kind::Write | Kind::Delete => held.is_some(),
        Kind::Read | Kind::Redirect => held == operation.value.as_deref(),
    };
    match operation.outcome {
        Outcome::Unknown if operation.kind == Kind::Read => Ok(held),
        Outcome::Unknown => Ok(if possible {
            operation.value.as_deref()
        } else {
            held
        }),
        Outcome::Ok if possible => Ok(operation.value.as_deref()),
        Outcome::Refused if !possible => Ok(held),
        Outcome::Ok | Outcome::Refused => Err(Lie),
    }
}
