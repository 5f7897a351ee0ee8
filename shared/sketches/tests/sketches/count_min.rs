use std::collections::HashMap;

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sketches::{CountMin, SketchError};

/// Draws items so that item `k` (from 1) comes with a probability in proportion to 1 / k^1.1.
pub(super) struct Zipf(Vec<f64>);

impl Zipf {
    pub(super) fn over(items: u32) -> Self {
        let mut sum = 0.0;
        let sums = (1..=items).map(|item| {
            sum += f64::from(item).powf(-1.1);
            sum
        });
        Self(sums.collect())
    }

    pub(super) fn draw(&self, random: &mut StdRng) -> u64 {
        let all = self.0.last().expect("there are items");
        let point = random.random_range(0.0..*all);
        self.0.partition_point(|sum| *sum <= point) as u64 + 1
    }
}

/// By how much an estimate of 300,000 may be too high.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small bound"
)]
pub(super) fn bound(sketch: &CountMin) -> u64 {
    (sketch.epsilon() * 300_000.0) as u64
}

#[test]
fn estimates_are_never_too_low_and_hardly_ever_too_high_by_more_than_the_bound_says() {
    let zipf = Zipf::over(50_000);
    for seed in 0..5 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut sketch = CountMin::new(1_024, 4);
        let mut exact = HashMap::<u64, u64>::new();
        for _ in 0..300_000 {
            let item = zipf.draw(&mut random);
            sketch.add(item, 1);
            *exact.entry(item).or_default() += 1;
        }
        assert_eq!(sketch.total(), 300_000);
        let allowed = bound(&sketch);
        let mut beyond = 0_u32;
        for (item, count) in &exact {
            let estimate = sketch.estimate(*item);
            assert!(
                estimate >= *count,
                "seed {seed}: item {item} was added {count} times and not {estimate}"
            );
            beyond += u32::from(estimate > count + allowed);
        }
        let share = f64::from(beyond) / f64::from(u32::try_from(exact.len()).unwrap());
        assert!(
            share <= sketch.delta(),
            "seed {seed}: {share} are too high by more than {allowed}"
        );
    }
}

#[test]
fn the_bound_follows_from_the_shape() {
    let sketch = CountMin::new(1_024, 4);
    assert!((sketch.epsilon() - 0.002_65).abs() < 0.000_01);
    assert!((sketch.delta() - 0.018_3).abs() < 0.000_1);
}

#[test]
fn the_shape_is_bounded_and_other_shapes_do_not_merge() {
    assert_eq!(CountMin::new(0, 0), CountMin::new(1, 1));
    assert_eq!(CountMin::new(u32::MAX, 4), CountMin::new(1 << 18, 4));
    let mut sketch = CountMin::new(8, 2);
    assert_eq!(sketch.merge(&CountMin::new(8, 3)), Err(SketchError::Shapes));
    assert_eq!(sketch.merge(&CountMin::new(9, 2)), Err(SketchError::Shapes));
}

#[test]
fn counts_stop_at_the_largest_number() {
    let mut sketch = CountMin::new(8, 2);
    sketch.add(1, u64::MAX);
    assert_eq!(sketch.add(1, 2), u64::MAX);
    assert_eq!(sketch.total(), u64::MAX);
}

#[test]
fn what_is_no_sketch_is_refused() {
    let refused = |text: &str| serde_json::from_value::<CountMin>(serde_json::json!(text)).is_err();
    // Nothing; no base64; no width; no depth; 2^28 counters; a counter beyond the last; a counter without its value.
    for text in ["", "?", "AAEA", "AQAA", "gICAgAEBAA", "AQEBAQE", "AQEBAA"] {
        assert!(refused(text), "{text}");
    }
    assert!(!refused("AQEBAAE"));
}

proptest! {
    #[test]
    fn merging_is_the_sketch_of_both_in_any_order_and_grouping(
        streams in prop::array::uniform3(prop::collection::vec((0_u64..40, 1_u64..1_000), 0..60)),
    ) {
        let of = |adds: &[(u64, u64)]| {
            let mut sketch = CountMin::new(16, 3);
            for (item, count) in adds {
                sketch.add(*item, *count);
            }
            sketch
        };
        let merged = |one: &CountMin, other: &CountMin| {
            let mut both = one.clone();
            both.merge(other).unwrap();
            both
        };
        let [a, b, c] = streams.each_ref().map(|adds| of(adds));
        let all = of(&streams.concat());
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        prop_assert_eq!(&merged(&merged(&a, &b), &c), &all);
        let text = serde_json::to_string(&all).unwrap();
        prop_assert_eq!(serde_json::from_str::<CountMin>(&text).unwrap(), all);
    }
}
