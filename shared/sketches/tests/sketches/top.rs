use std::collections::HashMap;

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sketches::Top;

use super::count_min::{Zipf, bound};

fn exact(adds: &[(u64, u64)]) -> HashMap<u64, u64> {
    let mut counts = HashMap::new();
    for (item, count) in adds {
        *counts.entry(*item).or_default() += count;
    }
    counts
}

fn of(most: u16, adds: &[(u64, u64)]) -> Top {
    let mut top = Top::new(most, 32, 3);
    for (item, count) in adds {
        top.add(*item, &item.to_string(), *count);
    }
    top
}

#[test]
fn the_hundred_most_frequent_of_a_zipf_stream_are_found() {
    let zipf = Zipf::over(50_000);
    for seed in 0..5 {
        let mut random = StdRng::seed_from_u64(seed);
        let adds: Vec<(u64, u64)> = (0..300_000).map(|_| (zipf.draw(&mut random), 1)).collect();
        let mut top = Top::new(100, 1_024, 4);
        for (item, count) in &adds {
            top.add(*item, "", *count);
        }
        let mut by_count: Vec<(u64, u64)> = exact(&adds)
            .into_iter()
            .map(|(item, count)| (count, item))
            .collect();
        by_count.sort_unstable_by(|one, other| other.cmp(one));
        let allowed = bound(top.sketch());
        let hundredth = by_count[99].0;
        for (count, item) in &by_count[..100] {
            let found = top.ranked().iter().any(|ranked| ranked.item == *item);
            assert!(
                found || *count <= hundredth + allowed,
                "seed {seed}: {item} with {count}"
            );
        }
        // The first ones lie further apart than the error, so their order is right too.
        let first: Vec<u64> = top.ranked().iter().take(10).map(|ranked| ranked.item).collect();
        assert_eq!(first, (1..=10).collect::<Vec<u64>>(), "seed {seed}");
    }
}

#[test]
fn labels_stay_with_their_items() {
    let mut top = Top::new(2, 64, 2);
    for (item, label, count) in [(1, "one", 5), (2, "two", 6), (3, "three", 7), (3, "drei", 1)] {
        top.add(item, label, count);
    }
    let ranked: Vec<(&str, u64)> = top
        .ranked()
        .iter()
        .map(|r| (r.label.as_str(), r.estimate))
        .collect();
    assert_eq!(ranked, [("three", 8), ("two", 6)]);
    assert_eq!(top.floor(), 6);
}

#[test]
fn a_list_of_none_counts_all_the_same() {
    let top = of(0, &[(1, 1), (2, 5)]);
    assert!(top.ranked().is_empty());
    assert_eq!(top.sketch().total(), 6);
}

fn adds() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((0_u64..30, 1_u64..50), 0..120)
}

proptest! {
    #[test]
    fn whatever_was_added_more_often_than_the_floor_is_ranked(adds in adds(), most in 1_u16..12) {
        let top = of(most, &adds);
        prop_assert!(top.ranked().len() <= usize::from(most));
        prop_assert!(top.ranked().is_sorted_by_key(|r| (std::cmp::Reverse(r.estimate), r.item)));
        for (item, count) in exact(&adds) {
            match top.ranked().iter().find(|ranked| ranked.item == item) {
                Some(ranked) => prop_assert!(ranked.estimate >= count),
                None => prop_assert!(count <= top.floor(), "{item}: {count} > {}", top.floor()),
            }
        }
    }

    #[test]
    fn merged_too_and_in_either_order(one in adds(), other in adds(), third in adds(), most in 1_u16..12) {
        let merged = |a: &Top, b: &Top| {
            let mut both = a.clone();
            both.merge(b).unwrap();
            both
        };
        let (a, b, c) = (of(most, &one), of(most, &other), of(most, &third));
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        let all = merged(&merged(&a, &b), &c);
        prop_assert!(all.ranked().len() <= usize::from(most));
        for (item, count) in exact(&[one, other, third].concat()) {
            match all.ranked().iter().find(|ranked| ranked.item == item) {
                Some(ranked) => prop_assert!(ranked.estimate >= count),
                None => prop_assert!(count <= all.floor(), "{item}: {count} > {}", all.floor()),
            }
        }
        let text = serde_json::to_string(&all).unwrap();
        prop_assert_eq!(serde_json::from_str::<Top>(&text).unwrap(), all);
    }

    #[test]
    fn going_on_from_its_text_comes_to_the_same(before in adds(), after in adds(), most in 1_u16..12) {
        let text = serde_json::to_string(&of(most, &before)).unwrap();
        let mut resumed: Top = serde_json::from_str(&text).unwrap();
        for (item, count) in &after {
            resumed.add(*item, &item.to_string(), *count);
        }
        let straight = of(most, &[before, after].concat());
        prop_assert_eq!(resumed, straight);
    }
}
