//! What code that is handed a clock may rely on.

use clock::{Clock, ManualClock, SharedClock, SystemClock};
use std::time::Duration;

const NOON: u64 = 1_800_000_000_000;

#[test]
fn a_manual_clock_stands_still_until_it_is_moved() {
    let clock = ManualClock::at(NOON);
    assert_eq!(clock.unix_ms(), NOON);
    assert_eq!(clock.unix_ms(), NOON);
    assert_eq!(clock.monotonic(), Duration::ZERO);
}

#[test]
fn advancing_moves_both_times() {
    let clock = ManualClock::at(NOON);
    clock.advance(Duration::from_micros(1_500));
    assert_eq!(clock.unix_micros(), NOON * 1_000 + 1_500);
    assert_eq!(clock.unix_ms(), NOON + 1);
    assert_eq!(clock.monotonic(), Duration::from_micros(1_500));
}

#[test]
fn stepping_the_wall_leaves_monotonic_time_alone() {
    let clock = ManualClock::at(NOON);
    clock.advance(Duration::from_secs(5));
    clock.step_wall(-10_000);
    assert_eq!(clock.unix_ms(), NOON - 5_000);
    clock.step_wall(20_000);
    assert_eq!(clock.unix_ms(), NOON + 15_000);
    assert_eq!(clock.monotonic(), Duration::from_secs(5));
}

#[test]
fn the_wall_cannot_be_stepped_below_1970() {
    let clock = ManualClock::at(5);
    clock.step_wall(i64::MIN);
    assert_eq!(clock.unix_micros(), 0);
}

#[test]
fn a_manual_clock_is_shared_between_the_test_and_the_code() {
    let clock = ManualClock::at(NOON);
    let handed_out: SharedClock = clock.clone();
    clock.advance(Duration::from_millis(7));
    assert_eq!(handed_out.unix_ms(), NOON + 7);
}

#[test]
fn the_system_clock_agrees_with_itself() {
    let clock = SystemClock::shared();
    let micros_before = clock.unix_micros();
    let ms = clock.unix_ms();
    let micros_after = clock.unix_micros();
    assert!(micros_before / 1_000 <= ms && ms <= micros_after / 1_000);
    assert!(ms > 1_767_225_600_000, "this machine's clock stands before 2026");
}

#[test]
fn monotonic_time_never_goes_back_on_the_system_clock() {
    let clock = SystemClock::shared();
    let mut last = clock.monotonic();
    for _ in 0..10_000 {
        let now = clock.monotonic();
        assert!(now >= last);
        last = now;
    }
}
