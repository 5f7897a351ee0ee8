//! The checker against the simulation and against brute force.

use history::linearizable::{Limits, check};
use history::redirects;
use history::{Kind, Verdict};
use std::time::Duration;

use super::brute_force;
use super::simulation::{Plan, flip_one_read, simulate};

const SMALL: Plan = Plan {
    operations: 7,
    sessions: 4,
    keys: 1,
    values: 3,
    lost: 0.2,
};
const MIDDLE: Plan = Plan {
    operations: 300,
    sessions: 8,
    keys: 3,
    values: 1_000_000,
    lost: 0.03,
};

#[test]
fn a_true_history_is_accepted() {
    for seed in 0..300 {
        for plan in [
            SMALL,
            MIDDLE,
            Plan { values: 4, ..MIDDLE },
            Plan {
                sessions: 30,
                lost: 0.0,
                ..MIDDLE
            },
        ] {
            let report = check(&simulate(seed, plan), Limits::default());
            assert!(report.is_kept(), "seed {seed}: {report}");
        }
    }
}

#[test]
fn a_small_history_is_judged_as_brute_force_judges_it() {
    let mut verdicts = [0, 0];
    for seed in 0..4_000 {
        let plan = Plan {
            operations: 3 + (seed % 6) as usize,
            values: 1 + (seed % 3) as u32,
            ..SMALL
        };
        let mut operations = simulate(seed, plan);
        flip_one_read(&mut operations, seed, plan.values);
        let expected = brute_force::is_linearizable(&operations);
        let report = check(&operations, Limits::default());
        assert_eq!(
            report.is_kept(),
            expected,
            "seed {seed}: {report}\n{operations:#?}"
        );
        verdicts[usize::from(expected)] += 1;
    }
    assert!(
        verdicts.iter().all(|count| *count > 500),
        "both verdicts occur often: {verdicts:?}"
    );
}

#[test]
fn one_read_flipped_to_a_value_never_written_is_found_and_named() {
    for seed in 0..300 {
        let mut operations = simulate(seed, MIDDLE);
        let before = operations.clone();
        // Among a million values another one is, but for luck, one that nobody wrote.
        assert!(flip_one_read(&mut operations, seed, MIDDLE.values));
        let flipped = operations
            .iter()
            .zip(&before)
            .find(|(now, then)| now != then)
            .unwrap()
            .0;
        let written = operations
            .iter()
            .any(|other| other.kind != Kind::Read && other.value == flipped.value);
        if written || flipped.value.is_none() {
            continue;
        }
        let report = check(&operations, Limits::default());
        assert_eq!(report.verdict(), Verdict::Violated, "seed {seed}");
        assert_eq!(
            &report.violations()[0].operations[0],
            flipped,
            "seed {seed}: {report}"
        );
    }
}

#[test]
fn a_linearizable_register_keeps_every_staleness_bound() {
    for seed in 0..300 {
        let mut operations = simulate(seed, Plan { lost: 0.05, ..MIDDLE });
        for read in operations
            .iter_mut()
            .filter(|operation| operation.kind == Kind::Read)
        {
            read.kind = Kind::Redirect;
        }
        let report = redirects::check(&operations, Duration::from_micros(1));
        assert!(report.is_kept(), "seed {seed}: {report}");
    }
}

#[test]
fn answers_delayed_beyond_the_bound_are_found() {
    let mut found = 0;
    for seed in 0..100 {
        let mut operations = simulate(seed, Plan { lost: 0.0, ..MIDDLE });
        for read in operations
            .iter_mut()
            .filter(|operation| operation.kind == Kind::Read)
        {
            read.kind = Kind::Redirect;
            // As if a cache had answered much later with what was true then.
            read.start_us += 5_000;
            read.end_us += 5_000;
        }
        let report = redirects::check(&operations, Duration::from_micros(500));
        found += usize::from(report.verdict() == Verdict::Violated);
    }
    assert!(found > 90, "{found} of 100");
}
