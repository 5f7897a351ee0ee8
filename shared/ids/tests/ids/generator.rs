//! One generator on a clock that is moved by hand.

use crate::{NOON, generator, unending};
use clock::ManualClock;
use ids::{EPOCH_MS, IdError, IdGenerator, IdLease, RefusalCounts};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

#[test]
fn ids_of_one_millisecond_count_up_and_the_next_starts_over() {
    let clock = ManualClock::at(NOON);
    let ids = generator(clock.clone(), unending());
    let parts = |id: ids::Id| (id.timestamp_ms(), id.worker(), id.sequence());
    assert_eq!(ids.next().map(parts), Ok((NOON, 5, 0)));
    assert_eq!(ids.next().map(parts), Ok((NOON, 5, 1)));
    clock.advance(MS);
    assert_eq!(ids.next().map(parts), Ok((NOON + 1, 5, 0)));
}

#[test]
fn a_millisecond_gives_4096_ids_and_a_clock_that_stands_still_no_more() {
    let clock = ManualClock::at(NOON);
    let ids = generator(clock.clone(), unending());
    for sequence in 0..4_096 {
        assert_eq!(
            ids.next().expect("the millisecond is not used up").sequence(),
            sequence
        );
    }
    assert_eq!(ids.next(), Err(IdError::ClockStalled));
    assert_eq!(
        ids.refusals(),
        RefusalCounts {
            clock_stalled: 1,
            ..RefusalCounts::default()
        }
    );
    clock.advance(MS);
    assert_eq!(ids.next().expect("a new millisecond").timestamp_ms(), NOON + 1);
}

#[test]
fn a_lease_covers_the_milliseconds_after_its_from_up_to_and_with_its_until() {
    let clock = ManualClock::at(NOON);
    let lease = IdLease {
        worker: 0,
        issue_from_ms: NOON,
        issue_until_ms: NOON + 2,
    };
    let ids = generator(clock.clone(), lease);
    assert_eq!(
        ids.next(),
        Err(IdError::ClockStalled),
        "the former holder may have used this millisecond"
    );
    clock.advance(MS);
    assert_eq!(ids.next().expect("inside").timestamp_ms(), NOON + 1);
    clock.advance(MS);
    assert_eq!(ids.next().expect("inside").timestamp_ms(), NOON + 2);
    clock.advance(MS);
    assert_eq!(
        ids.next(),
        Err(IdError::LeaseExpired {
            issue_until_ms: NOON + 2
        })
    );
    assert_eq!(ids.refusals().lease_expired, 1);
}

#[test]
fn a_renewed_lease_goes_on_and_a_shorter_one_changes_nothing() {
    let clock = ManualClock::at(NOON);
    let ids = generator(
        clock.clone(),
        IdLease {
            issue_until_ms: NOON,
            ..unending()
        },
    );
    clock.advance(MS);
    assert!(matches!(ids.next(), Err(IdError::LeaseExpired { .. })));
    ids.renew(NOON + 1);
    ids.renew(NOON - 1_000);
    assert_eq!(ids.issue_until_ms(), NOON + 1);
    assert_eq!(ids.next().expect("renewed").timestamp_ms(), NOON + 1);
}

#[test]
fn a_successor_far_ahead_of_the_clock_refuses_and_says_by_how_much() {
    let clock = ManualClock::at(NOON);
    let lease = IdLease {
        issue_from_ms: NOON + 10_000,
        ..unending()
    };
    let ids = generator(clock.clone(), lease);
    assert_eq!(ids.next(), Err(IdError::ClockWentBack { by_ms: 10_000 }));
    clock.advance(MS * 10_001);
    assert_eq!(
        ids.next().expect("the clock is past it").timestamp_ms(),
        NOON + 10_001
    );
}

#[test]
fn a_retired_generator_refuses_and_tells_how_far_it_went() {
    let clock = ManualClock::at(NOON);
    let ids = generator(clock.clone(), unending());
    clock.advance(MS * 7);
    ids.next().expect("within the lease");
    assert_eq!(ids.retire(), Some(NOON + 7));
    assert_eq!(ids.retire(), None);
    clock.advance(MS);
    assert_eq!(ids.next(), Err(IdError::Retired));
    assert_eq!(ids.refusals().other, 1);
}

#[test]
fn a_generator_that_issued_nothing_retires_at_its_from() {
    let ids = generator(ManualClock::at(NOON), unending());
    assert_eq!(ids.retire(), Some(NOON - 1));
}

#[test]
fn a_lease_that_does_not_fit_the_bits_is_refused() {
    let made = IdGenerator::new(
        ManualClock::at(NOON),
        IdLease {
            worker: 1_024,
            ..unending()
        },
    );
    assert_eq!(made.err(), Some(IdError::WorkerTooLarge { worker: 1_024 }));
    let made = IdGenerator::new(
        ManualClock::at(NOON),
        IdLease {
            issue_from_ms: u64::MAX,
            ..unending()
        },
    );
    assert_eq!(made.err(), Some(IdError::EpochOver));
}

#[test]
fn a_time_beyond_41_bits_is_refused_and_not_wrapped() {
    let last_ms = EPOCH_MS + (1 << 41) - 1;
    let clock = ManualClock::at(last_ms);
    let ids = generator(clock.clone(), unending());
    assert_eq!(ids.next().expect("the last millisecond").timestamp_ms(), last_ms);
    clock.advance(MS);
    assert_eq!(ids.next(), Err(IdError::EpochOver));
}

#[test]
fn every_error_has_a_code_of_its_own_and_knows_whether_waiting_helps() {
    let errors = [
        (IdError::ClockWentBack { by_ms: 11 }, true),
        (IdError::ClockStalled, true),
        (IdError::LeaseExpired { issue_until_ms: NOON }, true),
        (IdError::Retired, false),
        (IdError::EpochOver, false),
        (IdError::WorkerTooLarge { worker: 1_024 }, false),
    ];
    let codes: std::collections::HashSet<_> = errors.iter().map(|(error, _)| error.code()).collect();
    assert_eq!(codes.len(), errors.len());
    for (error, retryable) in errors {
        assert_eq!(error.retryable(), retryable, "{error}");
    }
}
