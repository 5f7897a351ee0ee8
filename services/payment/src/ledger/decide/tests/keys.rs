//! Batches as a whole, and keys.

use super::*;

#[test]
fn together_is_all_or_nothing_and_remembered() {
    let commands = [
        keyed(transfer(10, 1, 2, 5), 1, b"a"),
        keyed(transfer(11, 1, 2, 1_000), 2, b"b"),
        keyed(transfer(12, 1, 2, 5), 1, b"a"),
    ];
    let decision = decide(state(), &commands, true, NOW);
    let insufficient = Refusal::InsufficientFunds { account_id: id(1) };
    assert_eq!(
        decision.outcomes,
        [
            Err(Refusal::NotAlone),
            Err(insufficient.clone()),
            Err(Refusal::NotAlone.repeated())
        ]
    );
    assert!(decision.rows.is_empty() && decision.balances.is_empty());
    let recorded: Vec<_> = decision
        .records
        .iter()
        .map(|record| record.outcome.clone())
        .collect();
    assert_eq!(recorded, [Err(Refusal::NotAlone), Err(insufficient)]);
    let fine = decide(state(), &commands[..1], true, NOW);
    fine.outcomes[0].as_ref().unwrap();
}

#[test]
fn a_key_has_one_effect_and_one_answer() {
    let first = keyed(transfer(10, 1, 2, 5), 1, b"a");
    let copy = keyed(transfer(11, 1, 2, 5), 1, b"a");
    let other = keyed(transfer(12, 1, 2, 5), 1, b"b");
    let decision = decided(&[first.clone(), copy.clone(), other.clone()]);
    let Ok(Outcome::Fresh(settled)) = &decision.outcomes[0] else {
        panic!("the first has the effect");
    };
    assert_eq!(decision.outcomes[1], Ok(Outcome::Replayed(settled.clone())));
    assert_eq!(decision.outcomes[2], Err(Refusal::KeyReused));
    assert_eq!((decision.rows.len(), decision.records.len()), (1, 1));
    // And in a later batch, from the record.
    let mut state = state();
    let record = &decision.records[0];
    let recorded = Recorded {
        fingerprint: record.claim.fingerprint,
        outcome: record.outcome.clone(),
    };
    state.claims.insert(record.claim.key, recorded);
    let later = decide(state, &[copy, other], false, NOW);
    assert_eq!(later.outcomes[0], Ok(Outcome::Replayed(settled.clone())));
    assert_eq!(later.outcomes[1], Err(Refusal::KeyReused));
    assert!(later.rows.is_empty() && later.records.is_empty());
}
