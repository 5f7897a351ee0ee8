//! What is filled in, by whom and for how long.

use super::{Engine, LONG, MS, SHORT, bytes, fill, hit, known, lease, look};
use bytes::Bytes;
use cache::Look;

pub(crate) async fn what_was_filled_in_is_found(engine: &dyn Engine) {
    let level = engine.handle().await;
    known(&level, "k", Some("a")).await;
    assert_eq!(look(&level, "k").await, hit("a"));
    assert!(matches!(look(&level, "another").await, Look::Fill(_)));
}

pub(crate) async fn absence_is_remembered_and_is_not_an_empty_value(engine: &dyn Engine) {
    let level = engine.handle().await;
    known(&level, "absent", None).await;
    known(&level, "empty", Some("")).await;
    assert_eq!(look(&level, "absent").await, Look::Absent);
    assert_eq!(look(&level, "empty").await, hit(""));
}

pub(crate) async fn the_oddest_and_the_largest_keys_and_values_are_kept_apart(engine: &dyn Engine) {
    let level = engine.handle().await;
    let long = "k".repeat(512);
    let keys = [
        "", " ", "a b", "a", "a:value", "a}", "{a}", "%7D", "ключ", "🔑\n\0", &long,
    ];
    for (i, key) in keys.iter().enumerate() {
        known(&level, key, Some(&format!("value {i}"))).await;
    }
    for (i, key) in keys.iter().enumerate() {
        assert_eq!(look(&level, key).await, hit(&format!("value {i}")), "{key:?}");
    }
    let every_byte: Bytes = (0..=255).cycle().take(1 << 20).collect();
    let lease = lease(&level, "large").await;
    assert!(
        level
            .fill("large", lease, Some(every_byte.clone()), LONG)
            .await
            .expect("filled")
    );
    assert_eq!(look(&level, "large").await, Look::Hit(every_byte));
}

pub(crate) async fn one_looker_may_fill_and_the_others_load_for_themselves(engine: &dyn Engine) {
    let (one, two) = (engine.handle().await, engine.handle().await);
    let lease = lease(&one, "k").await;
    assert_eq!(look(&two, "k").await, Look::Load);
    assert_eq!(look(&one, "k").await, Look::Load);
    assert!(fill(&one, "k", lease, Some("a")).await);
    assert_eq!(look(&two, "k").await, hit("a"));
}

pub(crate) async fn a_lease_fills_once(engine: &dyn Engine) {
    let level = engine.handle().await;
    let lease = lease(&level, "k").await;
    assert!(fill(&level, "k", lease, Some("a")).await);
    assert!(!fill(&level, "k", lease, Some("b")).await);
    assert_eq!(look(&level, "k").await, hit("a"));
}

pub(crate) async fn a_lease_that_ran_out_fills_nothing_and_makes_room_for_another(engine: &dyn Engine) {
    let level = engine.handle().await;
    let Ok(Look::Fill(late)) = level.look("k", SHORT).await else {
        panic!("nothing is known of the key");
    };
    assert_eq!(look(&level, "k").await, Look::Load);
    engine.pass(SHORT + MS).await;
    let next = lease(&level, "k").await;
    assert!(!fill(&level, "k", late, Some("late")).await);
    assert!(fill(&level, "k", next, Some("next")).await);
    assert_eq!(look(&level, "k").await, hit("next"));
}

pub(crate) async fn a_value_is_kept_for_its_time(engine: &dyn Engine) {
    let level = engine.handle().await;
    for (key, value, found) in [
        ("value", Some(bytes("a")), hit("a")),
        ("absence", None, Look::Absent),
    ] {
        let lease = lease(&level, key).await;
        assert!(level.fill(key, lease, value, SHORT).await.expect("filled"));
        assert_eq!(look(&level, key).await, found);
        engine.pass(SHORT + MS).await;
        assert!(matches!(look(&level, key).await, Look::Fill(_)));
    }
}

pub(crate) async fn the_time_to_live_counts_from_the_lease(engine: &dyn Engine) {
    let level = engine.handle().await;
    let slow = lease(&level, "k").await;
    engine.pass(SHORT + MS).await;
    // The load took longer than its result may be believed.
    assert!(!level.fill("k", slow, None, SHORT).await.expect("an answer"));
    assert_ne!(look(&level, "k").await, Look::Absent);
}

pub(crate) async fn what_one_handle_fills_in_every_handle_finds(engine: &dyn Engine) {
    let (one, two) = (engine.handle().await, engine.handle().await);
    known(&one, "k", Some("a")).await;
    assert_eq!(look(&two, "k").await, hit("a"));
    assert_eq!(look(&engine.handle().await, "k").await, hit("a"));
}
