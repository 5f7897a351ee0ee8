//! Histories of a register that is linearizable by construction: each operation takes effect at one instant.

use history::{Kind, Operation, Outcome};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// What to simulate.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) operations: usize,
    pub(crate) sessions: u64,
    pub(crate) keys: usize,
    /// Different values in use: few make many orders legal, many make nearly one.
    pub(crate) values: u32,
    /// The share of operations whose answer is lost.
    pub(crate) lost: f64,
}

/// An operation before it is known what it will be told.
struct Intended {
    operation: Operation,
    /// When it takes effect; `None` is never.
    effect_us: Option<u64>,
}

pub(crate) fn simulate(seed: u64, plan: Plan) -> Vec<Operation> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut free_us = vec![0_u64; usize::try_from(plan.sessions).unwrap()];
    let mut intended: Vec<Intended> = (0..plan.operations)
        .map(|_| {
            let session = rng.random_range(0..free_us.len());
            let one = intend(&mut rng, plan, session as u64, free_us[session]);
            free_us[session] = one.operation.end_us + 1;
            one
        })
        .collect();
    intended.sort_by_key(|one| one.effect_us.unwrap_or(u64::MAX));
    let mut held = vec![None; plan.keys];
    let mut operations: Vec<Operation> = intended
        .into_iter()
        .map(|one| take_effect(one, &mut held))
        .collect();
    operations.sort_by_key(|operation| operation.start_us);
    operations
}

fn intend(rng: &mut StdRng, plan: Plan, session: u64, free_us: u64) -> Intended {
    let start_us = free_us + rng.random_range(0..20);
    let end_us = start_us + rng.random_range(0..30);
    let kind = match rng.random_range(0..10) {
        0..5 => Kind::Read,
        5..7 => Kind::Claim,
        7..9 => Kind::Write,
        _ => Kind::Delete,
    };
    let lost = rng.random_bool(plan.lost);
    let effect_us = if lost {
        // Late: an answer that was given up says nothing of when the work is done.
        rng.random_bool(0.7)
            .then(|| rng.random_range(start_us..=end_us + 200))
    } else {
        Some(rng.random_range(start_us..=end_us))
    };
    let value =
        matches!(kind, Kind::Claim | Kind::Write).then(|| rng.random_range(0..plan.values).to_string());
    let operation = Operation {
        session,
        kind,
        key: rng.random_range(0..plan.keys).to_string(),
        value,
        start_us,
        end_us,
        outcome: if lost { Outcome::Unknown } else { Outcome::Ok },
        intent: None,
    };
    Intended { operation, effect_us }
}

fn take_effect(one: Intended, held: &mut [Option<String>]) -> Operation {
    let Intended {
        mut operation,
        effect_us,
    } = one;
    let held = &mut held[operation.key.parse::<usize>().unwrap()];
    if effect_us.is_none() {
        return operation;
    }
    let done = match operation.kind {
        Kind::Read | Kind::Redirect => {
            operation.value = if operation.outcome == Outcome::Ok {
                held.clone()
            } else {
                None
            };
            true
        }
        Kind::Claim => held.is_none(),
        Kind::Write | Kind::Delete => held.is_some(),
    };
    if done && operation.kind != Kind::Read {
        held.clone_from(&operation.value);
    }
    if !done && operation.outcome == Outcome::Ok {
        operation.outcome = Outcome::Refused;
    }
    operation
}

/// Turns one answered read (chosen by the seed) into another answer; `false` when there is none to turn.
pub(crate) fn flip_one_read(operations: &mut [Operation], seed: u64, values: u32) -> bool {
    let mut rng = StdRng::seed_from_u64(seed ^ 0x5eed);
    let reads: Vec<usize> = (0..operations.len())
        .filter(|at| operations[*at].kind == Kind::Read && operations[*at].outcome == Outcome::Ok)
        .collect();
    if reads.is_empty() {
        return false;
    }
    let read = &mut operations[reads[rng.random_range(0..reads.len())]];
    let before = read.value.clone();
    while read.value == before {
        let value = rng.random_range(0..=values);
        read.value = (value < values).then(|| value.to_string());
    }
    true
}
