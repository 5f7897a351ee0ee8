//! The id as a value.

use ids::{EPOCH_MS, Id, ParseIdError, SEQUENCE_MAX, WORKER_MAX};

const TIME_MAX: u64 = (1 << 41) - 1;

#[test]
fn the_parts_come_back_out() {
    for (time, worker, sequence) in [
        (EPOCH_MS, 0, 0),
        (EPOCH_MS + 1, 1, 1),
        (EPOCH_MS + 123_456_789, 513, 2_049),
        (EPOCH_MS + TIME_MAX, WORKER_MAX, SEQUENCE_MAX),
    ] {
        let id = Id::from_parts(time, worker, sequence).expect("the parts fit");
        assert_eq!(
            (id.timestamp_ms(), id.worker(), id.sequence()),
            (time, worker, sequence)
        );
        assert_eq!(Id::from_u64(id.as_u64()), Some(id));
    }
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    assert_eq!(Id::from_parts(EPOCH_MS - 1, 0, 0), None);
    assert_eq!(Id::from_parts(EPOCH_MS + TIME_MAX + 1, 0, 0), None);
    assert_eq!(Id::from_parts(EPOCH_MS, WORKER_MAX + 1, 0), None);
    assert_eq!(Id::from_parts(EPOCH_MS, 0, SEQUENCE_MAX + 1), None);
    assert_eq!(Id::from_u64(1 << 63), None);
}

#[test]
fn ids_sort_by_time_then_worker_then_sequence() {
    let id =
        |time, worker, sequence| Id::from_parts(EPOCH_MS + time, worker, sequence).expect("the parts fit");
    let sorted = [
        id(0, 0, 0),
        id(0, 0, 4_095),
        id(0, 1, 0),
        id(0, 1_023, 4_095),
        id(1, 0, 0),
        id(2, 0, 0),
    ];
    assert!(sorted.is_sorted_by(|a, b| a < b));
}

#[test]
fn the_largest_id_fits_a_signed_column() {
    let largest = Id::from_parts(EPOCH_MS + TIME_MAX, WORKER_MAX, SEQUENCE_MAX).expect("the parts fit");
    assert_eq!(i64::try_from(largest.as_u64()), Ok(i64::MAX));
    assert_eq!(largest.to_string(), "9223372036854775807");
}

#[test]
fn only_the_canonical_text_is_an_id() {
    for good in ["0", "1", "9223372036854775807"] {
        assert_eq!(good.parse::<Id>().expect(good).to_string(), good);
    }
    for bad in [
        "",
        "01",
        "00",
        "+1",
        "-1",
        " 1",
        "1 ",
        "1_0",
        "0x1",
        "٣",
        "9223372036854775808",
        "99999999999999999999",
    ] {
        assert_eq!(bad.parse::<Id>(), Err(ParseIdError), "{bad:?}");
    }
}

#[test]
fn json_carries_a_string_and_nothing_else() {
    let id = Id::from_u64(9_007_199_254_740_993).expect("below 2^63");
    assert_eq!(
        serde_json::to_string(&id).expect("serializes"),
        r#""9007199254740993""#
    );
    assert_eq!(
        serde_json::from_str::<Id>(r#""9007199254740993""#).expect("an id"),
        id
    );
    for bad in ["9007199254740993", "null", r#""""#, r#""-1""#, r#""01""#, "[]"] {
        assert!(serde_json::from_str::<Id>(bad).is_err(), "{bad}");
    }
}
