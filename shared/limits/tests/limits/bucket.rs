//! The bucket and the map of buckets, on a clock that is moved by hand.

use clock::ManualClock;
use limits::{KeyedLimiter, LimitSettings, Rate, TokenBucket};
use proptest::prelude::*;
use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

fn settings(burst: u32, refill_per_second: u32, keys_max: usize) -> LimitSettings {
    LimitSettings {
        burst: NonZeroU32::new(burst).expect("a test gives at least 1"),
        refill_per_second: NonZeroU32::new(refill_per_second).expect("a test gives at least 1"),
        keys_max: NonZeroUsize::new(keys_max).expect("a test gives at least 1"),
    }
}

fn rate(burst: u32, per_second: u32) -> Rate {
    Rate::new(
        NonZeroU32::new(burst).expect("a test gives at least 1"),
        NonZeroU32::new(per_second).expect("a test gives at least 1"),
    )
}

/// No window between two requests let more through than `burst + per_second * length`.
fn assert_no_window_exceeds(passed_at: &[Duration], burst: u32, per_second: u32) {
    for (i, from) in passed_at.iter().enumerate() {
        for (j, to) in passed_at.iter().enumerate().skip(i) {
            let passed = (j - i + 1) as u128;
            let length_ns = to.saturating_sub(*from).as_nanos();
            let allowed = u128::from(burst) + u128::from(per_second) * length_ns / 1_000_000_000;
            assert!(
                passed <= allowed,
                "{passed} passed within {length_ns} ns, {allowed} allowed"
            );
        }
    }
}

proptest! {
    #[test]
    fn no_window_lets_more_through_than_burst_and_refill(
        burst in 1_u32..20,
        per_second in 1_u32..2_000,
        gaps_us in prop::collection::vec(0_u64..20_000, 1..200),
    ) {
        let rate = rate(burst, per_second);
        let mut bucket = TokenBucket::full();
        let mut now = Duration::from_secs(1);
        let mut passed_at = Vec::new();
        for gap in gaps_us {
            now += Duration::from_micros(gap);
            let decision = bucket.step(&rate, now);
            if decision.allowed {
                passed_at.push(now);
            } else {
                // A refusal is exact: its `retry_after` passes, and a nanosecond less does not.
                let wait = decision.retry_after.expect("a refusal says when to come back");
                let (mut in_time, mut hasty) = (bucket, bucket);
                prop_assert!(in_time.step(&rate, now + wait).allowed);
                let too_early = now + wait.saturating_sub(Duration::from_nanos(1));
                prop_assert!(!hasty.step(&rate, too_early).allowed);
            }
        }
        assert_no_window_exceeds(&passed_at, burst, per_second);
    }

    #[test]
    fn forgetting_keys_gives_none_of_them_more(
        burst in 1_u32..4,
        per_second in 1_u32..200,
        requests in prop::collection::vec((0_u8..8, 0_u64..30_000), 1..300),
    ) {
        let clock = ManualClock::at(1_800_000_000_000);
        let limiter = KeyedLimiter::<u8>::new(&settings(burst, per_second, 3), clock.clone());
        let mut passed_at = vec![Vec::new(); 8];
        let mut now = Duration::ZERO;
        for (key, gap_us) in requests {
            clock.advance(Duration::from_micros(gap_us));
            now += Duration::from_micros(gap_us);
            if limiter.check(&key).allowed {
                passed_at[usize::from(key)].push(now);
            }
        }
        for times in &passed_at {
            assert_no_window_exceeds(times, burst, per_second);
        }
    }

    #[test]
    fn a_key_below_its_rate_is_never_refused(per_second in 1_u32..1_000, extra_us in prop::collection::vec(1_u64..5_000, 1..200)) {
        let rate = rate(1, per_second);
        let mut bucket = TokenBucket::full();
        let mut now = Duration::ZERO;
        for extra in extra_us {
            prop_assert!(bucket.step(&rate, now).allowed);
            now += Duration::from_secs(1) / per_second + Duration::from_micros(extra);
        }
    }
}

#[test]
fn a_burst_passes_then_the_refill_rate_holds() {
    let rate = rate(3, 10);
    let mut bucket = TokenBucket::full();
    let start = Duration::from_secs(5);
    let left: Vec<u32> = (0..3).map(|_| bucket.step(&rate, start).remaining).collect();
    assert_eq!(left, [2, 1, 0]);
    let refused = bucket.step(&rate, start);
    assert!(!refused.allowed);
    assert_eq!((refused.limit, refused.remaining, refused.reset_s), (3, 0, 1));
    assert_eq!(refused.retry_after, Some(Duration::from_millis(100)));
    assert!(bucket.step(&rate, start + Duration::from_millis(100)).allowed);
    assert!(!bucket.step(&rate, start + Duration::from_millis(100)).allowed);
}

#[test]
fn a_rate_that_does_not_divide_a_second_is_rounded_to_the_limits_side() {
    let rate = rate(1, 3);
    let mut bucket = TokenBucket::full();
    assert!(bucket.step(&rate, Duration::ZERO).allowed);
    assert!(!bucket.step(&rate, Duration::from_nanos(333_333_333)).allowed);
    assert!(bucket.step(&rate, Duration::from_nanos(333_333_334)).allowed);
}

#[test]
fn a_bucket_never_holds_more_than_its_burst() {
    let rate = rate(2, 1_000);
    let mut bucket = TokenBucket::full();
    bucket.step(&rate, Duration::ZERO);
    let next_day = Duration::from_hours(24);
    let passed = (0..10).filter(|_| bucket.step(&rate, next_day).allowed).count();
    assert_eq!(passed, 2);
}

#[test]
fn one_key_does_not_use_up_anothers_tokens() {
    let limiter = KeyedLimiter::<String>::new(&settings(1, 1, 10), ManualClock::at(0));
    assert!(limiter.check("acme").allowed);
    let refused = limiter.check("acme");
    assert_eq!((refused.allowed, refused.keys_full), (false, false));
    assert!(limiter.check("globex").allowed);
}

#[test]
fn when_all_keys_are_in_debt_a_new_one_waits_for_the_first_to_recover() {
    let clock = ManualClock::at(0);
    let limiter = KeyedLimiter::<u32>::new(&settings(1, 10, 2), clock.clone());
    assert!(limiter.check(&1).allowed);
    clock.advance(Duration::from_millis(50));
    assert!(limiter.check(&2).allowed);
    let refused = limiter.check(&3);
    assert_eq!(
        (refused.allowed, refused.keys_full, refused.retry_after),
        (false, true, Some(Duration::from_millis(50)))
    );
    clock.advance(Duration::from_millis(50));
    assert!(limiter.check(&3).allowed, "key 1 has recovered and made room");
}

#[test]
fn the_largest_rates_do_not_overflow() {
    let rate = rate(u32::MAX, 1);
    let mut bucket = TokenBucket::full();
    let decision = bucket.step(&rate, Duration::from_mins(50_000_000));
    assert_eq!((decision.allowed, decision.remaining), (true, u32::MAX - 1));
    let fast = Rate::new(NonZeroU32::MIN, NonZeroU32::MAX);
    assert!(TokenBucket::full().step(&fast, Duration::MAX).allowed);
}

#[test]
fn a_map_that_was_emptied_once_makes_room_again() {
    let clock = ManualClock::at(0);
    let limiter = KeyedLimiter::<u32>::new(&settings(1, 10, 1), clock.clone());
    for key in 0..5 {
        assert!(limiter.check(&key).allowed, "key {key}");
        clock.advance(Duration::from_millis(100));
    }
}
