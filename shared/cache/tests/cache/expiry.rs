//! How long what is believed.

use crate::{CALM, World, found, url};
use cache::{CacheSettings, Lookup};
use std::sync::Arc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

#[tokio::test]
async fn a_value_is_served_until_its_time_is_over() {
    let world = World::new(CALM);
    assert_eq!(world.read("k", found("a")).await.expect("loaded"), Some(url("a")));
    world.clock.advance((SECOND * 60).saturating_sub(MS));
    assert_eq!(world.links.peek("k"), Some(Lookup::Hit(url("a"))));
    assert_eq!(world.read("k", found("b")).await.expect("cached"), Some(url("a")));
    world.clock.advance(MS);
    assert_eq!(world.links.peek("k"), None);
    assert_eq!(world.read("k", found("b")).await.expect("loaded"), Some(url("b")));
    assert_eq!(world.calls(), 2);
}

#[tokio::test]
async fn absence_is_believed_for_its_own_shorter_time() {
    let world = World::new(CALM);
    assert_eq!(world.read("k", Ok(None)).await.expect("loaded"), None);
    world.clock.advance((SECOND * 5).saturating_sub(MS));
    assert_eq!(world.links.peek("k"), Some(Lookup::Absent));
    assert_eq!(world.read("k", found("a")).await.expect("cached"), None);
    world.clock.advance(MS);
    assert_eq!(world.links.peek("k"), None);
    assert_eq!(world.read("k", found("a")).await.expect("loaded"), Some(url("a")));
    assert_eq!(world.calls(), 2);
}

#[tokio::test]
async fn the_time_counts_from_the_start_of_the_load() {
    let world = World::new(CALM);
    let clock = Arc::clone(&world.clock);
    let slow = move || async move {
        clock.advance(SECOND * 10);
        found("read ten seconds ago")
    };
    world
        .links
        .get_or_load("k".to_owned(), slow)
        .await
        .expect("loaded");
    world.clock.advance((SECOND * 50).saturating_sub(MS));
    assert!(world.links.peek("k").is_some());
    world.clock.advance(MS);
    assert_eq!(world.links.peek("k"), None);
}

#[tokio::test]
async fn a_put_is_as_old_as_its_ticket() {
    let world = World::new(CALM);
    let ticket = world.links.ticket("k");
    world.clock.advance(SECOND * 59);
    assert!(world.links.put(ticket, "k".to_owned(), url("a")));
    world.clock.advance(SECOND.saturating_sub(MS));
    assert!(world.links.peek("k").is_some());
    world.clock.advance(MS);
    assert_eq!(world.links.peek("k"), None);
}

#[tokio::test]
async fn a_wall_clock_that_is_set_ages_nothing() {
    let world = World::new(CALM);
    world.read("k", found("a")).await.expect("loaded");
    world.clock.step_wall(3_600_000);
    assert!(world.links.peek("k").is_some());
}

#[tokio::test]
async fn jitter_takes_off_up_to_its_share_and_never_adds() {
    for (chance, lives) in [(1.0, 45_000), (0.5, 52_500), (0.000_001, 59_999)] {
        let world = World::new(CacheSettings {
            ttl_jitter: 0.25,
            ..CALM
        });
        world.set_chance(chance);
        world.read("k", found("a")).await.expect("loaded");
        world.clock.advance(MS * (lives - 1));
        assert!(world.links.peek("k").is_some(), "chance {chance}");
        world.clock.advance(MS * 2);
        assert_eq!(world.links.peek("k"), None, "chance {chance}");
    }
}

#[tokio::test]
async fn a_jitter_that_is_no_share_is_read_as_the_nearest_one() {
    for (jitter, lives) in [(f64::NAN, true), (-1.0, true), (7.0, false)] {
        let world = World::new(CacheSettings {
            ttl_jitter: jitter,
            ..CALM
        });
        world.read("k", found("a")).await.expect("loaded");
        world.clock.advance(SECOND);
        assert_eq!(world.links.peek("k").is_some(), lives, "jitter {jitter}");
    }
}
