//! 10^5 operations: on many keys, and all on one.

use history::linearizable::{Limits, check};
use history::{Kind, Operation, Outcome};

use super::simulation::{Plan, simulate};

fn check_in_time(name: &str, plan: Plan) {
    let clock = clock::SystemClock::shared();
    let operations = simulate(42, plan);
    let began = clock.monotonic();
    let report = check(&operations, Limits::default());
    println!(
        "{name}: {} operations in {:?}",
        report.operations(),
        clock.monotonic().saturating_sub(began)
    );
    assert!(report.is_kept(), "{name}: {report}");
}

#[test]
fn a_hundred_thousand_operations_are_decided_within_the_default_limits() {
    let plan = Plan {
        operations: 100_000,
        sessions: 16,
        keys: 200,
        values: 1_000_000,
        lost: 0.005,
    };
    check_in_time("200 keys", plan);
    check_in_time(
        "one key",
        Plan {
            keys: 1,
            lost: 0.0005,
            ..plan
        },
    );
    let few_values = Plan {
        keys: 1,
        values: 8,
        lost: 0.0,
        ..plan
    };
    check_in_time("one key, 8 values", few_values);
    let many_clients = Plan {
        keys: 1,
        sessions: 32,
        lost: 0.0,
        ..plan
    };
    check_in_time("one key, 32 clients", many_clients);
}

/// A hundred clients claim one key at once; every tenth loses its answer; client `winner` is told that it won.
fn race(key: u64, winner: u64) -> Vec<Operation> {
    let outcome = |session| match session {
        session if session == winner => Outcome::Ok,
        session if session % 10 == 0 => Outcome::Unknown,
        _ => Outcome::Refused,
    };
    let claim = |session| Operation {
        session,
        kind: Kind::Claim,
        key: key.to_string(),
        value: Some(session.to_string()),
        start_us: session,
        end_us: 1_000 + session,
        outcome: outcome(session),
        intent: None,
    };
    (0..100).map(claim).collect()
}

#[test]
fn a_hundred_racing_claims_are_decided_whoever_won() {
    let seen = |key: u64, value: u64| Operation {
        kind: Kind::Read,
        value: Some(value.to_string()),
        start_us: 2_000,
        end_us: 2_001,
        outcome: Outcome::Ok,
        ..race(key, 0).remove(1)
    };
    let mut operations: Vec<Operation> = (0..1_000).flat_map(|key| race(key, key % 100)).collect();
    operations.extend((0..1_000).map(|key| seen(key, key % 100)));
    let report = check(&operations, Limits::default());
    assert!(report.is_kept(), "{report}");

    // A claim that was refused, or that lost its answer after another had won, is not what the key holds.
    for other in [13, 20] {
        operations.push(seen(7, other));
        let report = check(&operations, Limits::default());
        assert_eq!(report.violation_count(), 1, "{report}");
        operations.pop();
    }
}
