use std::collections::HashSet;

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sketches::{HyperLogLog, REGISTERS};

fn of(items: impl IntoIterator<Item = u64>) -> HyperLogLog {
    let mut sketch = HyperLogLog::new();
    for item in items {
        sketch.insert(item);
    }
    sketch
}

/// How far an estimate is off, as a part of what is true.
fn error(sketch: &HyperLogLog, distinct: u32) -> f64 {
    let estimate = f64::from(u32::try_from(sketch.estimate()).expect("a small one"));
    (estimate - f64::from(distinct)).abs() / f64::from(distinct)
}

#[test]
fn a_million_distinct_items_are_estimated_within_two_percent_whatever_the_seed() {
    let mut squares = 0.0;
    for seed in 0..10 {
        let mut random = StdRng::seed_from_u64(seed);
        let sketch = of((0..1_000_000).map(|_| random.random()));
        let error = error(&sketch, 1_000_000);
        assert!(error <= 0.02, "seed {seed}: {error}");
        squares += error * error;
    }
    // The standard error is 0.81 %; that of ten trials lies within a factor of two of it.
    let standard = (squares / 10.0).sqrt();
    assert!((0.004..0.0163).contains(&standard), "{standard}");
}

#[test]
fn numbers_in_a_row_do_as_well_as_random_ones() {
    let runs = (0..20).map(|run: u64| error(&of(run << 32..(run << 32) + 200_000), 200_000).powi(2));
    let standard = (runs.sum::<f64>() / 20.0).sqrt();
    assert!((0.005..0.0122).contains(&standard), "{standard}");
}

#[test]
fn there_is_no_seam_between_few_and_many() {
    let mut random = StdRng::seed_from_u64(7);
    let mut sketch = HyperLogLog::new();
    let (mut distinct, mut next) = (0_u32, 1_u32);
    assert_eq!(sketch.estimate(), 0);
    while distinct < 300_000 {
        sketch.insert(random.random());
        distinct += 1;
        if distinct == next {
            next += next / 10 + 1;
            let error = error(&sketch, distinct);
            // Four standard errors of the many, and hardly any of the few.
            let allowed = if distinct < 100 { 0.012 } else { 0.0325 };
            assert!(error <= allowed, "{distinct}: {error}");
        }
    }
}

#[test]
fn an_item_that_comes_again_changes_nothing() {
    let mut sketch = of(0..5_000);
    let before = sketch.clone();
    assert!((0..5_000).all(|item| !sketch.insert(item)));
    assert_eq!(sketch, before);
}

#[test]
fn all_registers_full_is_still_a_number() {
    // The inverse of the mix is not ours to know, so the fullest sketch is made of its text: 16,384 registers of 51.
    let packed: Vec<u8> = std::iter::repeat_n(51_u8, REGISTERS as usize)
        .collect::<Vec<_>>()
        .chunks(4)
        .flat_map(|four| {
            let bits = four.iter().fold(0_u32, |bits, rank| bits << 6 | u32::from(*rank));
            bits.to_be_bytes()[1..].to_vec()
        })
        .collect();
    let bytes = [&[2_u8][..], &packed].concat();
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD_NO_PAD, bytes);
    let fullest: HyperLogLog = serde_json::from_value(serde_json::json!(text)).unwrap();
    assert!(fullest.estimate() > 1 << 50);
    let mut merged = of(0..10);
    merged.merge(&fullest);
    assert_eq!(merged, fullest);
}

#[test]
fn few_items_are_a_short_text_and_many_at_most_sixteen_kilobytes() {
    let bytes = |distinct: u64| serde_json::to_string(&of(0..distinct)).unwrap().len();
    assert!(bytes(0) <= 4);
    assert!(bytes(10) <= 50, "{}", bytes(10));
    assert!(bytes(4_000) <= 10_900, "{}", bytes(4_000));
    assert!(bytes(100_000) <= 16_390, "{}", bytes(100_000));
}

#[test]
fn what_is_no_sketch_is_refused() {
    let refused = |text: &str| serde_json::from_value::<HyperLogLog>(serde_json::json!(text)).is_err();
    // Nothing at all; no base64; an unknown form; a rank of 0 and of 52; a register too far; half a register; too few packed ones.
    for text in ["", "?", "Aw", "AQAA", "AQA0", "AYCAARA", "AQA", "AgAA"] {
        assert!(refused(text), "{text}");
    }
    assert!(!refused("AQ"));
    assert!(!refused("AQAz"));
}

proptest! {
    #[test]
    fn merging_is_the_sketch_of_both_in_any_order_and_grouping(
        sizes in prop::array::uniform3(0_u64..4_000),
        starts in prop::array::uniform3(0_u64..6_000),
    ) {
        let parts = [0, 1, 2].map(|part: usize| starts[part]..starts[part] + sizes[part]);
        let [a, b, c] = parts.clone().map(of);
        let merged = |one: &HyperLogLog, other: &HyperLogLog| {
            let mut both = one.clone();
            both.merge(other);
            both
        };
        let all = of(parts.iter().cloned().flatten());
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        prop_assert_eq!(&merged(&merged(&a, &b), &c), &all);
        prop_assert_eq!(&merged(&all, &a), &all);
        prop_assert_eq!(&merged(&HyperLogLog::new(), &all), &all);
        let distinct: HashSet<u64> = parts.into_iter().flatten().collect();
        prop_assert!(all.estimate().abs_diff(distinct.len() as u64) <= 1 + distinct.len() as u64 / 20);
    }

    #[test]
    fn its_text_reads_back(distinct in prop_oneof![0_u64..50, 900_u64..1_200, 3_900_u64..6_000, Just(100_000)]) {
        let sketch = of(0..distinct);
        let text = serde_json::to_string(&sketch).unwrap();
        prop_assert_eq!(serde_json::from_str::<HyperLogLog>(&text).unwrap(), sketch);
    }

    #[test]
    fn damaged_text_is_refused_or_read_and_never_more(
        distinct in prop_oneof![0_u64..50, Just(100_000)],
        place in any::<prop::sample::Index>(),
        byte in 32_u8..127,
        cut in any::<prop::sample::Index>(),
    ) {
        let mut text = serde_json::to_value(of(0..distinct)).unwrap().as_str().unwrap().to_owned().into_bytes();
        let place = place.index(text.len());
        text[place] = byte;
        text.truncate(cut.index(text.len()) + 1);
        let text = String::from_utf8(text).unwrap();
        if let Ok(sketch) = serde_json::from_value::<HyperLogLog>(serde_json::json!(text)) {
            sketch.estimate();
        }
    }
}
