//! XFetch: refreshed before the end, by chance, in the background.

use crate::flights::held;
use crate::{CALM, World, found, settle, url};
use cache::{CacheSettings, Lookup, xfetch};
use std::sync::Arc;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
/// A draw so low that a refresh is due 20.7 times the load's length before the end.
const LOW: f64 = 1e-9;

/// A world with one entry whose load took 100 ms and whose time is over in `left`.
async fn world_with_an_entry(left: Duration) -> World {
    let world = World::new(CALM);
    let clock = Arc::clone(&world.clock);
    let load = move || async move {
        clock.advance(MS * 100);
        found("old")
    };
    world
        .links
        .get_or_load("k".to_owned(), load)
        .await
        .expect("loaded");
    world.clock.advance(
        Duration::from_mins(1)
            .saturating_sub(MS * 100)
            .saturating_sub(left),
    );
    world
}

#[test]
fn a_refresh_is_due_when_chance_is_at_most_the_papers_probability() {
    let (now, delta) = (Duration::from_secs(100), Duration::from_millis(200));
    for left_ms in [1_u32, 10, 100, 500, 2_000] {
        for beta in [0.5, 1.0, 2.0] {
            let probability = (-(f64::from(left_ms) / 1e3) / (0.2 * beta)).exp();
            let due = |chance| xfetch::is_due(now, now + MS * left_ms, delta, beta, || chance);
            assert!(due(probability * 0.999_999), "left {left_ms} ms, beta {beta}");
            assert!(
                !due((probability * 1.000_001).min(1.0)),
                "left {left_ms} ms, beta {beta}"
            );
        }
    }
}

#[test]
fn far_from_the_end_chance_is_not_even_asked() {
    let never = || unreachable!("the answer is certain");
    let (now, delta) = (Duration::from_secs(100), Duration::from_millis(1));
    assert!(!xfetch::is_due(
        now,
        now + Duration::from_secs(1),
        delta,
        1.0,
        never
    ));
    assert!(
        !xfetch::is_due(now, now + MS, Duration::ZERO, 1.0, never),
        "what costs nothing is not prefetched"
    );
    assert!(!xfetch::is_due(now, now + MS, delta, 0.0, never), "beta 0 is off");
}

#[tokio::test]
async fn a_due_entry_is_served_at_once_and_reloaded_behind() {
    let world = world_with_an_entry(MS * 2_000).await;
    world.set_chance(0.5);
    assert_eq!(
        world.links.peek("k"),
        Some(Lookup::Hit(url("old"))),
        "0.1 s * -ln(0.5) is 0.07 s: not yet"
    );
    world.set_chance(LOW);
    let (reader, answer) = held(&world.links, "k");
    assert_eq!(
        reader.await.expect("no panic").expect("cached"),
        Some(url("old")),
        "without waiting for the load"
    );
    // While one refresh runs, no other begins.
    let (another, unused) = held(&world.links, "k");
    assert_eq!(
        another.await.expect("no panic").expect("cached"),
        Some(url("old"))
    );
    assert!(unused.is_closed());
    answer.send(found("new")).expect("the refresh waits");
    settle().await;
    world.set_chance(1.0);
    assert_eq!(world.links.peek("k"), Some(Lookup::Hit(url("new"))));
    assert_eq!(world.metric("cache_refreshes_total{cache=\"links\"} "), 1);
    world.clock.advance(Duration::from_secs(59));
    assert!(world.links.peek("k").is_some(), "its time began anew");
}

#[tokio::test]
async fn a_peek_that_is_chosen_sends_its_caller_on_to_refresh() {
    let world = world_with_an_entry(MS * 2_000).await;
    world.set_chance(LOW);
    assert_eq!(world.links.peek("k"), None);
    // Another draw would not choose; the first still counts.
    world.set_chance(1.0);
    assert_eq!(world.links.peek("k"), None, "peeked twice on its way");
    assert_eq!(
        world.read("k", found("new")).await.expect("cached"),
        Some(url("old"))
    );
    settle().await;
    assert_eq!(world.calls(), 1);
    assert_eq!(world.links.peek("k"), Some(Lookup::Hit(url("new"))));
    assert_eq!(
        world.metric("cache_lookups_total{cache=\"links\",outcome=\"miss\"} "),
        1,
        "only the first load"
    );
}

#[tokio::test]
async fn a_peek_for_some_values_only_neither_answers_nor_counts_the_others() {
    let world = world_with_an_entry(MS * 2_000).await;
    world.set_chance(1.0);
    let hits = || world.metric("cache_lookups_total{cache=\"links\",outcome=\"hit\"} ");
    let before = hits();
    // The lowest draw there is would choose; it is not drawn.
    world.set_chance(LOW);
    assert_eq!(world.links.peek_if("k", |value| value.is_none()), None);
    assert_eq!(hits(), before);
    world.set_chance(1.0);
    let found = world.links.peek_if("k", |value| value == Some(&url("old")));
    assert_eq!(found, Some(Lookup::Hit(url("old"))));
    assert_eq!(hits(), before + 1);
}

#[tokio::test]
async fn a_refresh_that_fails_leaves_the_entry_to_its_time() {
    let world = world_with_an_entry(MS * 2_000).await;
    world.set_chance(LOW);
    assert_eq!(
        world.read("k", Err("down")).await.expect("cached"),
        Some(url("old"))
    );
    settle().await;
    world.set_chance(1.0);
    assert_eq!(world.links.peek("k"), Some(Lookup::Hit(url("old"))));
    world.clock.advance(MS * 2_000);
    assert_eq!(world.links.peek("k"), None);
}

#[tokio::test]
async fn a_delete_during_a_refresh_wins_too() {
    let world = world_with_an_entry(MS * 2_000).await;
    world.set_chance(LOW);
    let (reader, answer) = held(&world.links, "k");
    reader.await.expect("no panic").expect("cached");
    world.links.invalidate("k");
    answer.send(found("deleted by now")).expect("the refresh waits");
    settle().await;
    assert_eq!(world.links.peek("k"), None);
}

#[tokio::test]
async fn without_beta_nothing_is_refreshed_early() {
    let world = World::new(CacheSettings {
        xfetch_beta: 0.0,
        ..CALM
    });
    let clock = Arc::clone(&world.clock);
    let load = move || async move {
        clock.advance(MS * 100);
        found("old")
    };
    world
        .links
        .get_or_load("k".to_owned(), load)
        .await
        .expect("loaded");
    world.set_chance(LOW);
    world.clock.advance(MS * 59_899);
    assert!(world.links.peek("k").is_some());
}
