//! What a second level changes about the first, and what it does not.

use crate::contract::{Engine, LONG, bytes};
use crate::memory::MemoryEngine;
use crate::processes::{Origin, PATIENT, Process};
use crate::two_levels::until;
use crate::{CALM, World, found, settle, url};
use cache::{CacheSettings, LoadError, Look, Lookup, SharedCacheSettings};
use std::sync::Arc;
use std::time::Duration;

const FILLS: &str = "cache_shared_operations_total{cache=\"links\",operation=\"fill\",outcome=\"done\"} ";

#[tokio::test]
async fn an_origin_that_hangs_does_not_stand_in_the_way_of_what_the_level_knows() {
    let (engine, origin) = (MemoryEngine::new(), Arc::new(Origin::default()));
    let narrow = CacheSettings {
        loads_max: 1,
        loads_waiting_max: 0,
        ..CALM
    };
    let process = Process::with(engine.handle().await, &origin, narrow, PATIENT.clone());
    let other = Process::new(engine.handle().await, &origin);
    origin.set("known", "a");
    other.sees("known").await;
    until("filled in", async || other.metric(FILLS) == 1).await;
    let (hanging, _never) = process.slow_read("stuck").await;
    let refused = process.read("unknown").await;
    assert!(matches!(refused, Err(LoadError::Busy)), "{refused:?}");
    assert_eq!(process.sees("known").await.as_deref(), Some("a"));
    hanging.abort();
}

#[tokio::test]
async fn a_value_that_cannot_be_read_is_loaded_and_one_that_is_too_large_is_not_shared() {
    let (engine, origin) = (MemoryEngine::new(), Arc::new(Origin::default()));
    let small = SharedCacheSettings {
        value_bytes_max: 3,
        ..PATIENT.clone()
    };
    let process = Process::with(engine.handle().await, &origin, CALM, small);
    let level = engine.handle().await;
    let Ok(Look::Fill(lease)) = level.look("k", LONG).await else {
        panic!("nothing is known");
    };
    let strange = bytes::Bytes::from_static(&[0xff, 0xfe]);
    assert_eq!(level.fill("k", lease, Some(strange), LONG).await, Ok(true));
    for (key, value) in [("k", "of the origin"), ("fits", "abc"), ("large", "abcd")] {
        origin.set(key, value);
        assert_eq!(process.sees(key).await.as_deref(), Some(value));
        settle().await;
    }
    assert_eq!(level.look("fits", LONG).await, Ok(Look::Hit(bytes("abc"))));
    assert_eq!(
        level.look("large", LONG).await,
        Ok(Look::Load),
        "its lease runs out"
    );
}

#[tokio::test]
async fn a_guard_without_a_shared_level_forgets_when_it_ends_however_it_ends() {
    let world = World::new(CALM);
    world.read("k", found("old")).await.expect("loaded");
    let guard = world.links.write("k".to_owned()).await.expect("nobody to ask");
    assert_eq!(world.links.peek("k"), Some(Lookup::Hit(url("old"))));
    guard.done().await.expect("nobody to tell");
    assert_eq!(world.links.peek("k"), None);

    world.read("k", found("old")).await.expect("loaded");
    drop(world.links.write("k".to_owned()).await.expect("nobody to ask"));
    assert_eq!(world.links.peek("k"), None, "its outcome is unknown");

    world.read("n", Ok(None)).await.expect("loaded");
    let guard = world.links.write_new("n".to_owned()).await;
    guard.done_with(url("created")).await.expect("nobody to tell");
    assert_eq!(world.links.peek("n"), Some(Lookup::Hit(url("created"))));
}

#[tokio::test]
async fn a_listener_ends_with_its_cache() {
    let (engine, origin) = (MemoryEngine::new(), Arc::new(Origin::default()));
    let process = Process::new(engine.handle().await, &origin);
    let level = Arc::downgrade(&process.level);
    drop(process);
    until("the level is let go", async || {
        settle().await;
        level.strong_count() == 0
    })
    .await;
}

#[test]
fn the_settings_are_a_sound_catalogue() {
    config::Catalog::of::<SharedCacheSettings>()
        .check()
        .expect("documented, settable, unambiguous");
    let settings = SharedCacheSettings::default();
    assert!(
        settings.near_ttl_ms < 1_000,
        "no process serves what was changed for longer than a second"
    );
    assert!(Duration::from_millis(settings.write_hold_ms) > Duration::from_millis(settings.write_timeout_ms));
}
