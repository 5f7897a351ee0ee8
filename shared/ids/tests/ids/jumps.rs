//! Wall clocks that jump.

use crate::{NOON, generator, unending};
use clock::{Clock, ManualClock};
use ids::{BACK_STEP_MS_MAX, Id, IdError};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, yield_now};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// Jumps of ±10 s, each followed by some running time, in an order that revisits the same milliseconds again and again.
const JUMPS_MS: [i64; 12] = [
    10_000, -10_000, -10_000, 10_000, 10_000, -9, -10_000, 10_000, -10_000, -3, 10_000, 10_000,
];

#[test]
fn jumps_of_ten_seconds_either_way_repeat_nothing_and_go_nowhere_back() {
    let clock = ManualClock::at(NOON);
    let ids = generator(clock.clone(), unending());
    let mut last = ids.next().expect("the clock runs");
    let (mut issued, mut refused) = (1_u32, 0_u32);
    for jump in JUMPS_MS.into_iter().cycle().take(240) {
        clock.step_wall(jump);
        for _ in 0..1_500 {
            clock.advance(MS);
            let behind = last.timestamp_ms().saturating_sub(clock.unix_ms());
            if (1..=BACK_STEP_MS_MAX).contains(&behind) {
                continue; // would be waited out, which is the next test
            }
            for _ in 0..3 {
                match ids.next() {
                    Ok(id) => {
                        assert!(id > last, "{id:?} after {last:?}");
                        assert_eq!(id.timestamp_ms(), clock.unix_ms());
                        last = id;
                        issued += 1;
                    }
                    Err(error) => {
                        assert_eq!(error, IdError::ClockWentBack { by_ms: behind });
                        refused += 1;
                    }
                }
            }
        }
    }
    assert_eq!(ids.refusals().clock_went_back, u64::from(refused));
    assert!(
        issued > 10_000 && refused > 10_000,
        "both were tried: {issued} issued, {refused} refused"
    );
}

#[test]
fn a_step_back_of_up_to_ten_milliseconds_is_waited_out() {
    let clock = ManualClock::at(NOON);
    let ids = generator(clock.clone(), unending());
    let before = ids.next().expect("the clock runs");
    clock.step_wall(-10);
    let after = scope(|scope| {
        let waiting = scope.spawn(|| ids.next());
        // The clock runs on only up to the last id's millisecond: the same one serves again.
        for _ in 0..10 {
            assert!(!waiting.is_finished(), "it did not wait");
            clock.advance(MS);
        }
        waiting.join().expect("no panic")
    });
    let after = after.expect("waited out, not refused");
    assert_eq!((after.timestamp_ms(), after.sequence()), (NOON, 1));
    assert!(after > before);
    assert_eq!(ids.refusals(), ids::RefusalCounts::default());
}

#[test]
fn a_step_back_of_more_is_refused_at_once_and_counted() {
    let clock = ManualClock::at(NOON);
    let ids = generator(clock.clone(), unending());
    ids.next().expect("the clock runs");
    clock.step_wall(-11);
    assert_eq!(ids.next(), Err(IdError::ClockWentBack { by_ms: 11 }));
    assert_eq!(ids.refusals().by_reason()[0], ("clock_went_back", 1));
    clock.advance(MS * 12);
    assert_eq!(ids.next().expect("caught up").timestamp_ms(), NOON + 1);
}

#[test]
fn threads_that_race_over_a_jumping_clock_share_no_id() {
    const THREADS: usize = 4;
    const EACH: usize = 100_000;
    let clock = ManualClock::at(NOON);
    let ids = generator(clock.clone(), unending());
    let done = AtomicBool::new(false);
    let all: Vec<Vec<Id>> = scope(|scope| {
        scope.spawn(|| {
            for turn in 0_u32.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                if turn % 64 == 0 {
                    clock.step_wall(JUMPS_MS[(turn / 64) as usize % JUMPS_MS.len()]);
                }
                // 100 ms a turn, so that ten seconds back are caught up with while threads wait.
                clock.advance(MS * 100);
                yield_now();
            }
        });
        let issue = || {
            let mut mine = Vec::with_capacity(EACH);
            while mine.len() < EACH {
                mine.extend(ids.next());
            }
            mine
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(issue)).collect();
        let all = threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect();
        done.store(true, Ordering::Relaxed);
        all
    });
    assert!(
        all.iter().all(|mine| mine.is_sorted_by(|a, b| a < b)),
        "each thread sees its ids grow"
    );
    let distinct: HashSet<Id> = all.into_iter().flatten().collect();
    assert_eq!(distinct.len(), THREADS * EACH);
}
