//! Wall clocks that jump.

use crate::{NOON, generator, unending};
use clock::{Clock, ManualClock};
use ids::{BACK_STEP_MS_MAX, Id, IdError};
use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
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

/// A clock that shows the next of its times at each look, and its last one from then on.
#[derive(Debug)]
struct Scripted(Mutex<VecDeque<u64>>);

impl Scripted {
    fn shared(unix_ms: impl IntoIterator<Item = u64>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(unix_ms.into_iter().collect())))
    }
}

impl Clock for Scripted {
    fn unix_micros(&self) -> u64 {
        let mut left = self.0.lock().expect("no panic under the lock");
        let shown = if left.len() > 1 {
            left.pop_front()
        } else {
            left.front().copied()
        };
        shown.expect("a script has a line") * 1_000
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

#[test]
fn a_step_back_of_up_to_ten_milliseconds_is_waited_out() {
    // The clock comes back only up to the last id's millisecond: the same one serves again.
    let looks = [NOON, NOON - 10, NOON - 10, NOON - 9, NOON - 1, NOON];
    let ids = generator(Scripted::shared(looks), unending());
    let before = ids.next().expect("the clock runs");
    let after = ids.next().expect("waited out, not refused");
    assert_eq!((after.timestamp_ms(), after.sequence()), (NOON, 1));
    assert!(after > before);
    assert_eq!(ids.refusals(), ids::RefusalCounts::default());
}

#[test]
fn a_clock_that_steps_further_back_while_it_is_waited_for_is_refused() {
    let ids = generator(Scripted::shared([NOON, NOON - 10, NOON - 11, NOON]), unending());
    ids.next().expect("the clock runs");
    assert_eq!(ids.next(), Err(IdError::ClockWentBack { by_ms: 11 }));
}

#[test]
fn a_clock_that_stays_back_is_not_waited_for_without_end() {
    let ids = generator(Scripted::shared([NOON, NOON - 10]), unending());
    ids.next().expect("the clock runs");
    assert_eq!(ids.next(), Err(IdError::ClockStalled));
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
